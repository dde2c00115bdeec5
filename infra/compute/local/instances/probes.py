"""Watching one instance by its probe settings."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never

from domain.ports import Probe

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.05


class NeverReadyError(Exception):
    """The instance did not become ready in the time its readiness probe gives it."""


class UnresponsiveError(Exception):
    """The instance failed its liveness probe too often in a row."""


class Probes:
    """`answers(timeout)` asks the instance once. `set_ready` is told when the instance should
    take requests and when not. What the settings allow in all, and delay, is by `clock`."""

    def __init__(
        self,
        liveness: Probe,
        readiness: Probe,
        answers: Callable[[float], Awaitable[bool]],
        set_ready: Callable[[bool], None],
        clock: Callable[[], float],
    ) -> None:
        self._liveness = liveness
        self._readiness = readiness
        self._answers = answers
        self._set_ready = set_ready
        self._clock = clock
        self._began = self._clock()

    async def run(self) -> Never:
        """Until the instance is beyond help: raises NeverReadyError or UnresponsiveError.

        Readiness is tried from the start, often at first; `initial_delay` only delays the
        counting of failures.
        """
        await self._until_ready()
        readiness = asyncio.create_task(self._watch_readiness())
        try:
            await self._watch_liveness()
        finally:
            readiness.cancel()
            await asyncio.gather(readiness, return_exceptions=True)

    async def _until_ready(self) -> None:
        probe = self._readiness
        allowed = probe.initial_delay + probe.period * probe.failure_threshold
        pause, successes = _FIRST_PAUSE, 0
        while successes < probe.success_threshold:
            left = self._began + allowed - self._clock()
            if left <= 0:
                raise NeverReadyError(
                    f"It was not ready after {allowed:g} s (readiness probe: "
                    f"{probe.initial_delay:g} s, then {probe.failure_threshold} failures "
                    f"{probe.period:g} s apart); init() has not come to its end."
                )
            successes = successes + 1 if await self._answers(min(probe.timeout, left)) else 0
            if successes < probe.success_threshold:
                await asyncio.sleep(min(pause, max(left, 0)))
                pause = min(pause * 1.3, _LONGEST_PAUSE, probe.period)
        self._set_ready(True)

    async def _watch_liveness(self) -> Never:
        probe = self._liveness
        failures = 0
        while True:
            await asyncio.sleep(probe.period)
            if await self._answers(probe.timeout):
                failures = 0
            elif self._clock() >= self._began + probe.initial_delay:
                failures += 1
                if failures >= probe.failure_threshold:
                    raise UnresponsiveError(
                        f"It did not answer {failures} liveness probes in a row "
                        f"({probe.timeout:g} s each, {probe.period:g} s apart)."
                    )

    async def _watch_readiness(self) -> None:
        probe = self._readiness
        failures, successes, ready = 0, 0, True
        while True:
            await asyncio.sleep(probe.period)
            if await self._answers(probe.timeout):
                failures, successes = 0, successes + 1
                if not ready and successes >= probe.success_threshold:
                    ready = True
                    self._set_ready(True)
            else:
                failures, successes = failures + 1, 0
                if ready and failures >= probe.failure_threshold:
                    ready = False
                    self._set_ready(False)
