"""What a thread has used of the processor, and how often it waited for something.

A thread that the system has put aside for others waits for nothing: on a busy machine that
alone takes longer than many a run."""

from __future__ import annotations

import time

try:
    from resource import RUSAGE_THREAD, getrusage
except ImportError:  # Not on Linux: there nobody tells the two apart.
    getrusage = None  # type: ignore[assignment]


class ThreadUse:
    """Of the thread that makes it, from then on until `end`, which it calls as well."""

    __slots__ = ("_used", "_waits", "began")

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self._used, self._waits = _now()

    def end(self) -> tuple[float, float]:
        """Seconds of the processor, and seconds that went by beside them: none of those where
        the thread has not waited once."""
        used, waits = _now()
        used -= self._used
        if waits is not None and waits == self._waits:
            return used, 0.0
        return used, time.perf_counter() - self.began - used


def _now() -> tuple[float, int | None]:
    if getrusage is None:
        return time.thread_time(), None
    told = getrusage(RUSAGE_THREAD)
    return told.ru_utime + told.ru_stime, told.ru_nvcsw
