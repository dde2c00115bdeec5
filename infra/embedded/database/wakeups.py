"""Telling those who wait on a queue that something may come."""

import asyncio
import contextlib
from collections.abc import Iterator


class Waiter:
    """One who waits. What is told before it waits is not lost."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._at: float | None = None
        self.closed = False

    async def wait(self, timeout: float) -> float | None:
        """The earliest time told of since the last call; None after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, timeout)):
                await self._told.wait()
        at, self._at = self._at, None
        self._told.clear()
        return at

    def tell(self, at: float) -> None:
        self._at = at if self._at is None else min(self._at, at)
        self._told.set()

    def close(self) -> None:
        self.closed = True
        self._told.set()


class Wakeups:
    """Waiters by queue, of one event loop."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[Waiter]] = {}
        self._closed = False

    @contextlib.contextmanager
    def waiter(self, queue: str) -> Iterator[Waiter]:
        waiter = Waiter()
        waiter.closed = self._closed
        self._waiters.setdefault(queue, set()).add(waiter)
        try:
            yield waiter
        finally:
            others = self._waiters[queue]
            others.discard(waiter)
            if not others:
                del self._waiters[queue]

    def wake(self, queue: str, at: float) -> None:
        """A message of `queue` may be received from the time `at` on."""
        for waiter in self._waiters.get(queue, ()):
            waiter.tell(at)

    def wake_all(self, at: float) -> None:
        for queue in self._waiters:
            self.wake(queue, at)

    def close(self) -> None:
        self._closed = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.close()
