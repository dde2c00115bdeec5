"""Waiting on conditions, however slow the machine is.

No test takes a pace for granted: it waits on what is to come, and PATIENCE only ends a wait for
what never comes. Nothing shorter is right anywhere, for a busy machine may stand still for
seconds; tests/architecture/test_steadiness.py holds this.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from outside import waiting

T = TypeVar("T")

PATIENCE: Final = waiting.PATIENCE
"""Seconds."""
_EVERY: Final = 0.01


def until(look: Callable[[], T | bool | None], what: str = "", *, every: float = _EVERY) -> T:
    """The first thing true that `look` shows; fails, and says what it showed last, when nothing
    does."""
    return waiting.until(look, what, every=every)


def as_it_moves(look: Callable[[], tuple[T | None, object]], what: str, *, patience: float) -> T:
    """What `look` gives at last, which says beside it how far it has come; fails when that has
    stayed as it is for `patience` seconds. (None: nothing can be seen.) For what takes a machine
    as long as it takes."""
    far: object = None
    ends = time.monotonic() + patience
    while True:
        found, shown = look()
        if found is not None:
            return found
        if shown is not None and shown != far:
            far, ends = shown, time.monotonic() + patience
        if time.monotonic() > ends:
            raise AssertionError(waiting.never(what, far, patience))
        time.sleep(_EVERY)


async def eventually(
    look: Callable[[], Awaitable[T | bool | None] | T | bool | None],
    what: str = "",
    *,
    every: float = _EVERY,
) -> T:
    """`until`, while this loop goes on: `look` may be a coroutine function."""
    ends = time.monotonic() + PATIENCE
    while True:
        found: Any = look()
        if inspect.isawaitable(found):
            async with patience():
                found = await found
        if found:
            return cast(T, found)
        if time.monotonic() > ends:
            raise AssertionError(waiting.never(what or look, found, PATIENCE))
        await asyncio.sleep(every)


def patience() -> asyncio.Timeout:
    """What is done inside ends, or the test fails."""
    return asyncio.timeout(PATIENCE)
