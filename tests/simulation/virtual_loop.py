"""An event loop without a selector, a thread or a pause: its time is a number, which moves when
nothing is left to do before the next timer. What runs when follows from what was asked for alone.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


class HostEnded(BaseException):
    """The host that this task belonged to is no more."""


@dataclass(eq=False)
class Life:
    """From a host's start to its end: the tasks that go on in it."""

    host: str
    ended: bool = False
    tasks: "dict[asyncio.Task[Any], None]" = field(default_factory=dict)

    def end(self) -> None:
        """Nothing goes on any more; what is under way is torn off where it waits."""
        self.ended = True
        for task in list(self.tasks):
            task.cancel()


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class Turn:
    """A callback that is to run."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context", "_when")

    def __init__(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context, when: float
    ) -> None:
        self._callback = callback
        self._args = args
        self._context = context
        self._when = when
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def cancelled(self) -> bool:
        return self._cancelled

    def when(self) -> float:
        return self._when

    def run(self) -> None:
        if not self._cancelled:
            self._context.run(self._callback, *self._args)


_Loop: Any = asyncio.AbstractEventLoop
"""It has more methods than anything here asks for: sockets, signals, processes."""


class VirtualLoop(_Loop):  # type: ignore[misc]
    """`mishaps` are exceptions that nobody asked for: of callbacks, and of tasks that were
    forgotten. `turns` counts what has run."""

    def __init__(self) -> None:
        self.mishaps: list[BaseException] = []
        self.turns = 0
        self._ready: deque[Turn] = deque()
        self._timers: list[tuple[float, int, Turn]] = []
        self._numbers = itertools.count()
        self._now = 0.0

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Until `main` has ended. Raises RuntimeError when nothing is left that could end it."""
        asyncio._set_running_loop(self)
        try:
            task = self.create_task(main)
            while not task.done():
                self._step()
            result: T = task.result()
            return result
        finally:
            asyncio._set_running_loop(None)

    def drain(self) -> None:
        """What is ready to run, without time going on: what was torn off ends."""
        asyncio._set_running_loop(self)
        try:
            while self._ready:
                self._step()
        finally:
            asyncio._set_running_loop(None)

    def _step(self) -> None:
        if not self._ready:
            if not self._timers:
                raise RuntimeError("nothing is left to do")
            when, _, turn = heapq.heappop(self._timers)
            self._now = max(self._now, when)
            self._ready.append(turn)
        turn = self._ready.popleft()
        self.turns += 1
        try:
            turn.run()
        except Exception as error:
            self.mishaps.append(error)

    # -- what asyncio asks of a loop ----------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Turn:
        turn = Turn(callback, args, context or copy_context(), self._now)
        self._ready.append(turn)
        return turn

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Turn:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Turn:
        turn = Turn(callback, args, context or copy_context(), when)
        heapq.heappush(self._timers, (when, next(self._numbers), turn))
        return turn

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        life = LIFE.get() if context is None else context.get(LIFE)
        if life is not None:
            tasks = life.tasks
            tasks[task] = None
            task.add_done_callback(lambda done: tasks.pop(done, None) and None)
        return task

    def run_in_executor(
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """At once, and here: a thread would come back when it likes."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception):
            self.mishaps.append(error)
