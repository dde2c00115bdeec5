"""Whether what is done now is only tried: then the store writes nothing (domain/usage/rehearsing),
and whoever writes elsewhere on the way to it asks here."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class _Rehearsal:
    is_on = True


_now: ContextVar[_Rehearsal | None] = ContextVar("rehearsal", default=None)


@contextmanager
def rehearsing() -> Iterator[None]:
    """What is begun within and goes on after it writes again."""
    rehearsal = _Rehearsal()
    token = _now.set(rehearsal)
    try:
        yield
    finally:
        rehearsal.is_on = False
        _now.reset(token)


def is_rehearsed() -> bool:
    rehearsal = _now.get()
    return rehearsal is not None and rehearsal.is_on
