"""Adapters that are made at their first use. Each of Azure's SDKs takes a quarter of a second of a
processor to import, and a host that starts because somebody waits may need but one."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class _Late(Generic[T]):
    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._making = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._it(), name)

    @property  # type: ignore[misc]  # of every object it can be written, which nobody does
    def __class__(self) -> Any:
        """Whoever asks for its kind is told that of what is made."""
        return type(self._it())

    def _it(self) -> T:
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made


def late(make: Callable[[], T]) -> T:
    """What `make` gives, once anything is asked of it."""
    return cast(T, _Late(make))


def is_made(thing: object) -> bool:
    """Of what `late` gave: whether anything was asked of it. Of anything else, True."""
    return type(thing) is not _Late or thing.__dict__["_made"] is not None
