"""Watching one process by the deployment's probe settings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from ..spec import Probe

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.05
_SILENCE_PERIOD = 1.0
_SILENCE_TIMEOUT = 1.0
_MISSES = 1
"""How often it may be silent in a row, and is not taken to be so."""


class NeverReady(Exception):
    """It did not become ready in the time its readiness probe gives it."""


class Unresponsive(Exception):
    """It failed its liveness probe too often in a row."""


async def until_ready(
    probe: Probe, answers: Callable[[float], Awaitable[bool]], why: Callable[[], str]
) -> None:
    """Raises NeverReady, which says `why` too. It is asked from the start, often at first:
    `initial_delay` only delays the counting of failures."""
    loop = asyncio.get_running_loop()
    allowed = probe.initial_delay + probe.period * probe.failure_threshold
    ends = loop.time() + allowed
    pause, successes = _FIRST_PAUSE, 0
    while successes < probe.success_threshold:
        left = ends - loop.time()
        if left <= 0:
            raise NeverReady(
                f"It was not ready after {allowed:g} s (readiness probe: "
                f"{probe.initial_delay:g} s, then {probe.failure_threshold} failures "
                f"{probe.period:g} s apart): {why()}."
            )
        successes = successes + 1 if await answers(min(probe.timeout, left)) else 0
        if successes < probe.success_threshold:
            await asyncio.sleep(min(pause, max(left, 0)))
            pause = min(pause * 1.3, _LONGEST_PAUSE, probe.period)


async def watch_liveness(probe: Probe, answers: Callable[[float], Awaitable[bool]]) -> NoReturn:
    """Of one that is ready. Raises Unresponsive."""
    loop = asyncio.get_running_loop()
    counts = loop.time() + probe.initial_delay
    failures = 0
    while True:
        await asyncio.sleep(probe.period)
        if await answers(probe.timeout):
            failures = 0
            continue
        failures += loop.time() >= counts
        if failures >= probe.failure_threshold:
            raise Unresponsive(
                f"It did not answer {failures} liveness probes in a row "
                f"({probe.timeout:g} s each, {probe.period:g} s apart)."
            )


async def watch_readiness(
    probe: Probe,
    answers: Callable[[float], Awaitable[bool]],
    set_ready: Callable[[bool], None],
) -> NoReturn:
    """Of one that is ready: tell when it is not, and when it is again."""
    failures, successes, ready = 0, 0, True
    while True:
        await asyncio.sleep(probe.period)
        if await answers(probe.timeout):
            failures, successes = 0, successes + 1
            if not ready and successes >= probe.success_threshold:
                ready = True
                set_ready(True)
        else:
            failures, successes = failures + 1, 0
            if ready and failures >= probe.failure_threshold:
                ready = False
                set_ready(False)


async def watch_silence(
    is_busy: Callable[[], bool],
    answers: Callable[[float], Awaitable[bool]],
    set_silent: Callable[[bool], None],
) -> NoReturn:
    """While requests are under way, tell when it answers nothing any more, and when it does
    again: long before its liveness probe gives it up, others should have what comes."""
    misses, silent = 0, False
    while True:
        await asyncio.sleep(_SILENCE_PERIOD)
        if not (silent or is_busy()):
            misses = 0
            continue
        misses = 0 if await answers(_SILENCE_TIMEOUT) else misses + 1
        gives_up = misses > _MISSES
        if silent is not gives_up:
            silent = gives_up
            set_silent(silent)
