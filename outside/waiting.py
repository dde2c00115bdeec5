"""Waiting on conditions, however slow the machine is."""

import time
from collections.abc import Callable
from typing import Final, TypeVar, cast

T = TypeVar("T")

PATIENCE: Final = 180.0
"""Seconds: no pace is taken for granted, and this only ends a wait for what never comes."""


def until(
    look: Callable[[], T | bool | None],
    what: str = "",
    *,
    every: float = 0.01,
    patience: float = PATIENCE,
) -> T:
    """The first thing true that `look` shows; fails, and says what it showed last, when nothing
    does. (Benchmarks wait longer than tests.)"""
    ends = time.monotonic() + patience
    while not (shown := look()):
        if time.monotonic() > ends:
            raise AssertionError(never(what or look, shown, patience))
        time.sleep(every)
    return cast(T, shown)


def never(what: object, shown: object, patience: float) -> str:
    return f"never came in {patience:g} s: {what}, which is {shown!r}"
