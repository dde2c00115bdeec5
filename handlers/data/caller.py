"""The caller at the other end of a scoring request: its body, and whether it is still there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any

from domain.scoring.scoring_exchange import CallerGone, CallerStalled, RequestBody

Receive = Callable[[], Awaitable[Any]]

LOOK_AFTER = 0.1
"""Seconds before a caller is looked after: a request that is answered sooner pays a timer."""
STALL_LIMIT = 30.0
"""Seconds a caller may take for the next piece of its body."""
WATCH = "watch for the caller to leave"
"""What the task is called that does."""


class Caller(RequestBody):
    """Inside `with caller:`, the task is cancelled once the caller has gone away, so that
    whatever it waits for is given up; leaving the block swallows that cancellation and
    `gone` tells. The task must not be handed on meanwhile.

    A body is asked for only once its caller has shown a good credential, which is when
    `admitted` is told, where a host wants to know it.

    A server has one stream of messages for the body and for the caller's leaving, so the
    leaving is watched for only when the body has been read to its end.
    """

    __slots__ = (
        "_admitted",
        "_ended",
        "_loop",
        "_reader",
        "_receive",
        "_since",
        "_stalled",
        "_task",
        "_timer",
        "_watch",
        "gone",
    )

    def __init__(
        self, receive: Receive, *, announces_body: bool, admitted: Callable[[], None] | None
    ) -> None:
        self._receive = receive
        self._admitted = admitted
        self._ended = not announces_body
        self._loop = asyncio.get_running_loop()
        self._reader: asyncio.Task[Any] | None = None
        self._since = 0.0
        self._stalled = False
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.Task[None] | None = None
        self.gone = False

    def __enter__(self) -> "Caller":
        self._task = asyncio.current_task()
        self._timer = self._loop.call_later(LOOK_AFTER, self._look)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if kind is CallerGone:
            self.gone = True
            return True
        if self.gone and self._task is not None:
            # Somebody else's cancellation on top of ours goes on.
            left = self._task.uncancel()
            return kind is not None and issubclass(kind, asyncio.CancelledError) and not left
        return False

    @property
    def body_ended(self) -> bool:
        return self._ended

    def admit(self) -> None:
        if self._admitted is not None:
            self._admitted()

    async def whole(self) -> bytes:
        self.admit()
        first = await self._piece()
        if self._ended:
            return first
        pieces = [first]
        while not self._ended:
            pieces.append(await self._piece())
        return b"".join(pieces)

    async def pieces(self) -> AsyncIterator[bytes]:
        self.admit()
        while not self._ended:
            piece = await self._piece()
            if piece:
                yield piece

    async def _piece(self) -> bytes:
        reader = self._reader = asyncio.current_task()
        self._since = self._loop.time()
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if self._stalled and reader is not None and reader.uncancel() == 0:
                raise CallerStalled from None
            raise
        finally:
            self._reader = None
        if message["type"] == "http.disconnect":
            self._ended = True
            raise CallerGone
        self._ended = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    def _look(self) -> None:
        if self._ended:
            self._timer = None
            self._watch = self._loop.create_task(self._wait_for_leaving(), name=WATCH)
            return
        if self._reader is not None and self._loop.time() - self._since > STALL_LIMIT:
            self._stalled = True
            self._reader.cancel()
        self._timer = self._loop.call_later(LOOK_AFTER, self._look)

    async def _wait_for_leaving(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._task is not None:
            self._task.cancel()
