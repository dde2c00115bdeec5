"""Calls that come together, answered together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Grouped(Generic[T, R]):
    """One-item calls of many callers as few calls of `work`, which is given up to `most` items
    and answers each in its place. A lone call goes through at once; while `work` runs, what
    comes meanwhile gathers for its next turn. What `work` raises, every caller of that turn
    gets. It holds no more than its waiting callers do."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R]]], most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._turns: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        return self._turns is None

    async def __call__(self, item: T) -> R:
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._turns is None:
            # A task of its own: one caller that is cancelled must not stop the others' turn.
            self._turns = asyncio.create_task(self._take_turns())
        return await answer

    async def _take_turns(self) -> None:
        try:
            while self._waiting:
                turn, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._take(turn)
        finally:
            self._turns = None
            for _, answer in self._waiting:
                answer.cancel()
            self._waiting = []

    async def _take(self, turn: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            results = await self._work([item for item, _ in turn])
        except asyncio.CancelledError:
            for _, answer in turn:
                answer.cancel()
            raise
        except Exception as error:  # whatever it is, it belongs to those who called
            for _, answer in turn:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), result in zip(turn, results, strict=True):
            if not answer.done():
                answer.set_result(result)
