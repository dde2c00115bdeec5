"""One caller's connection to the agent: requests in, answers out, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from ...server.exchange import STALL_LIMIT
from ...server.http1 import MAX_HEAD, Head, Refused, reply
from ..guard import JSON, Guard, own_body
from .framing import Body

_HELD = 256 << 10
_LINGER = 1.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Errand(Protocol):
    """What becomes of one request. It ends with the caller's `finished` or `cut`, or with
    `gone`."""

    def takes(self, piece: bytes, ended: bool) -> None:
        """Content of the request as it comes; at least once, and last with `ended`."""

    def answer_clogged(self, yes: bool) -> None:
        """The caller takes nothing more for now, or does again."""

    def gone(self) -> None:
        """Nobody waits any more."""


class Hall:
    """What the connections of one door share. `errand` begins one for a head, and for it as it
    came; `guard` raises Refused."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        guard: Guard,
        errand: Callable[[Caller, Head, bytes], Errand],
    ) -> None:
        self.loop = loop
        self.guard = guard
        self.errand = errand
        self.callers: set[Caller] = set()
        # One buffer for all: the loop fills it and hands it over within one call.
        self.view = memoryview(bytearray(256 << 10))
        self.closing = False
        """Whether each answer is the last of its connection."""

    @property
    def busy(self) -> int:
        return sum(caller.busy for caller in self.callers)

    def patrol(self) -> None:
        """Drop callers who stopped in the middle, or never began."""
        now = self.loop.time()
        for caller in list(self.callers):
            caller.check(now)
        self.loop.call_later(STALL_LIMIT / 6, self.patrol)

    def close_idle(self) -> None:
        for caller in list(self.callers):
            if not caller.busy:
                caller.close()


class Caller(asyncio.BufferedProtocol):
    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self._transport: Any = None
        self._held = b""
        self._errand: Errand | None = None
        self._body = Body(0)
        self._mark = ""
        self._keep_alive = True
        self._closing = False
        self._paused = False
        self._clogged = False
        self._known = False
        self._answering = False
        self._last = 0.0
        self._unsent = 0

    @property
    def busy(self) -> bool:
        return self._errand is not None

    # -- what errands call

    def write(self, data: bytes) -> None:
        self._answering = True
        self._last = self.hall.loop.time()
        self._transport.write(data)

    def hold(self, yes: bool) -> None:
        """Read nothing more of the request, or go on."""
        if yes is not self._paused and not self._transport.is_closing():
            self._paused = yes
            (self._transport.pause_reading if yes else self._transport.resume_reading)()

    @property
    def closes(self) -> bool:
        """Whether this answer is the last here; to be said in its head."""
        return not self._keep_alive or self.hall.closing or not self._body.ended

    def answer(self, status: int, headers: str, body: bytes, *, head_only: bool = False) -> None:
        """A whole answer of the agent's own."""
        closes = self.closes
        self.write(reply(status, self._mark + headers, body, close=closes, head_only=head_only))
        self.finished(closes=closes)

    def finished(self, *, closes: bool) -> None:
        """The answer is out."""
        self._errand = None
        if closes:
            self._leave()
            return
        self.hold(False)
        if self._held:
            # Soon, not now: answering a hundred pipelined requests must not nest.
            self.hall.loop.call_soon(self._advance)

    def cut(self) -> None:
        """Break off, so that nobody can take a part for the whole."""
        self._errand = None
        self._transport.abort()

    @property
    def mark(self) -> str:
        return self._mark

    # -- asyncio's side

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._last = self.hall.loop.time()
        self.hall.callers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.hall.callers.discard(self)
        self._closing = True
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.gone()

    def pause_writing(self) -> None:
        self._clogged = True
        if self._errand is not None:
            self._errand.answer_clogged(True)

    def resume_writing(self) -> None:
        self._clogged = False
        if self._errand is not None:
            self._errand.answer_clogged(False)
        else:
            self._advance()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.hall.view

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self.hall.view[:nbytes])
        self._last = self.hall.loop.time()
        self._held = self._held + data if self._held else data
        self._advance()

    def _advance(self) -> None:
        try:
            while self._held and not self._closing:
                if self._errand is None:
                    if self._clogged or not self._begin():
                        return
                elif self._body.ended:
                    if len(self._held) > _HELD:
                        self.hold(True)
                    return
                else:
                    piece, self._held = self._body.take(self._held)
                    self._errand.takes(piece, self._body.ended)
        except Refused as refusal:
            self._refuse(refusal)

    def _begin(self) -> bool:
        """Whether there is a whole head."""
        held = self._held.lstrip(b"\r\n") if self._held[:1] in b"\r\n" else self._held
        end = held.find(b"\r\n\r\n", 0, MAX_HEAD + 4)
        if end < 0:
            if len(held) > MAX_HEAD:
                raise Refused(431, "The request's head is larger than 64 KiB.")
            return False
        raw, self._held = held[:end], held[end + 4 :]
        self._mark = ""
        self._answering = False
        self._body = Body(0)
        head = Head(raw)
        self._keep_alive = head.keep_alive
        self._body = body = Body(head.length)
        self.hall.guard(head)
        self._mark = head.mark
        self._known = self._known or bool(head.mark)
        errand = self._errand = self.hall.errand(self, head, raw)
        piece = b""
        if not body.ended:
            piece, self._held = body.take(self._held)
        errand.takes(piece, body.ended)
        return True

    def expect_more(self) -> None:
        """Of a request that asks first whether to send its body."""
        if not self._body.ended:
            self.write(_CONTINUE)

    def _refuse(self, refusal: Refused) -> None:
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.gone()
            if self._answering:
                self.cut()
                return
        headers = f"{self._mark}{JSON}{refusal.headers}"
        self.write(reply(refusal.status, headers, own_body(refusal.message), close=True))
        self._leave()

    def _leave(self) -> None:
        """Leave the caller time to read: closing with its bytes unread would reset it."""
        self._closing = True
        self._held = b""
        if self._transport.is_closing():
            return
        if self._body.ended:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.hall.loop.call_later(_LINGER, self._transport.close)

    def close(self) -> None:
        self._closing = True
        self._transport.close()

    def check(self, now: float) -> None:
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._last = unsent, now
        if now - self._last < STALL_LIMIT or self._transport.is_closing():
            return
        if unsent:
            self._transport.abort()
        elif self._is_waited_for():
            self._refuse(Refused(408, "The rest of the request did not come."))

    def _is_waited_for(self) -> bool:
        if self._errand is None:
            return bool(self._held) or not self._known
        return not self._body.ended and not self._paused
