"""Keeping what was gathered in memory, a while after it came and not each time."""

import asyncio
from collections.abc import Awaitable, Callable


class Flushing:
    """Has `flush` called `period` seconds after it was asked for, and again for as long as
    `is_left` says that something is left. While nothing is, no timer and no task runs. One event
    loop owns it."""

    def __init__(
        self,
        flush: Callable[[], Awaitable[None]],
        is_left: Callable[[], bool],
        *,
        period: float,
    ) -> None:
        self._flush = flush
        self._is_left = is_left
        self._period = period
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def ask(self) -> None:
        """Something was gathered."""
        if self._timer is None and self._task is None and not self._ended:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._begin)

    async def end(self) -> None:
        """Call it no more; a call that is under way has ended when this returns."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            await asyncio.wait([self._task])

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.create_task(self._flush_and_rest())

    async def _flush_and_rest(self) -> None:
        try:
            await self._flush()
        finally:
            self._task = None
            if self._is_left():
                self.ask()
