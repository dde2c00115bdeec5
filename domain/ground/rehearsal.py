"""Whether what is done now is only tried: then the store writes nothing (domain/usage/rehearsing),
and whoever writes elsewhere on the way to it asks here."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class _Rehearsal:
    is_on = True

    def __init__(self, about: frozenset[str]) -> None:
        self.about = about


_now: ContextVar[_Rehearsal | None] = ContextVar("rehearsal", default=None)


@contextmanager
def rehearsing(about: frozenset[str]) -> Iterator[None]:
    """What is begun within and goes on after it writes again. `about` are kinds of documents that
    elsewhere are written on the way to a resource, and here are what it is about."""
    rehearsal = _Rehearsal(about)
    token = _now.set(rehearsal)
    try:
        yield
    finally:
        rehearsal.is_on = False
        _now.reset(token)


def is_rehearsed() -> bool:
    rehearsal = _now.get()
    return rehearsal is not None and rehearsal.is_on


def is_about(kind: str) -> bool:
    """Whether what is tried now is about documents of this kind."""
    rehearsal = _now.get()
    return rehearsal is not None and kind in rehearsal.about
