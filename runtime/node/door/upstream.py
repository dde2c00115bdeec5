"""The agent's side of a connection to a model's process, and those kept for reuse."""

from __future__ import annotations

import asyncio
import math
from typing import Any, Protocol

from ...server.http1 import MAX_HEAD, Refused
from .framing import UNBOUNDED, AnswerHead, Body, Broken, parse_answer

_MOST_IDLE = 64
_HERE = "127.0.0.1"


class Asker(Protocol):
    """Who has asked something. After `ended` or `lost` nothing more is called."""

    def answers(self, head: AnswerHead, piece: bytes) -> None:
        """The answer begins. Interim ones (1xx) come before it."""

    def goes_on(self, piece: bytes) -> None: ...

    def ended(self) -> None: ...

    def lost(self, why: str) -> None: ...

    def request_clogged(self, yes: bool) -> None:
        """The process takes no more of the request for now, or does again."""


class Upstream(asyncio.BufferedProtocol):
    """One connection, one request at a time."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._transport: Any = None
        self._asker: Asker | None = None
        self._held = b""
        self._head: AnswerHead | None = None
        self._body = Body(0)
        self._head_only = False
        self.request_ended = False
        self.idle_since = 0.0
        self.closed = False

    def begin(self, asker: Asker, *, head_only: bool) -> None:
        self._asker = asker
        self._head = None
        self._head_only = head_only
        self.request_ended = False

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def hold(self, yes: bool) -> None:
        """Read nothing more of the answer, or go on."""
        if not self.closed:
            (self._transport.pause_reading if yes else self._transport.resume_reading)()

    def give_up(self) -> None:
        """Nobody wants the answer any more."""
        self._asker = None
        self._transport.abort()

    def lose(self) -> None:
        """Whoever waits for an answer is told that none comes."""
        self._transport.abort()

    # -- asyncio's side

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._way.leave(self)
        asker, self._asker = self._asker, None
        if asker is not None and exc is None and self._head is not None and self._head.until_close:
            asker.ended()
        elif asker is not None:
            asker.lost("It closed the connection under the request.")

    def pause_writing(self) -> None:
        if self._asker is not None:
            self._asker.request_clogged(True)

    def resume_writing(self) -> None:
        if self._asker is not None:
            self._asker.request_clogged(False)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._way.view

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._way.view[:nbytes])
        if self._asker is None:
            self._transport.abort()  # it speaks without being asked
            return
        try:
            if self._head is None:
                self._take_head(self._held + data if self._held else data)
            else:
                self._take_body(data, None)
        except (Broken, Refused) as broken:
            asker, self._asker = self._asker, None
            self._transport.abort()
            asker.lost(f"It does not speak HTTP: {broken}.")

    def _take_head(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > MAX_HEAD:
                raise Broken("its head is larger than 64 KiB")
            self._held = data
            return
        self._held = b""
        head = parse_answer(data[:end], without_body=self._head_only)
        rest = data[end + 4 :]
        if head.status < 200:
            if self._asker is not None:
                self._asker.answers(head, b"")
            if rest:
                self._take_head(rest)
            return
        self._head = head
        self._body = Body(UNBOUNDED if head.until_close else head.length)
        self._take_body(rest, head)

    def _take_body(self, data: bytes, head: AnswerHead | None) -> None:
        asker, body = self._asker, self._body
        if asker is None:
            return
        piece, rest = (b"", data) if body.ended else body.take(data)
        if head is not None:
            asker.answers(head, piece)
        elif piece:
            asker.goes_on(piece)
        if body.ended and self._asker is asker:
            self._end(asker, clean=not rest)

    def _end(self, asker: Asker, *, clean: bool) -> None:
        """The connection is free before whoever asked knows: it may ask again at once."""
        self._asker = None
        self.hold(False)
        if clean and self.request_ended and self._head is not None and self._head.keep_alive:
            self._way.give_back(self)
        else:
            self._transport.abort()
        asker.ended()


class Way:
    """To one life of a process: its socket's path, or its port of this machine, and the
    connections that are idle. One is used again for `kept` seconds."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, address: str | int, *, kept: float = math.inf
    ) -> None:
        self._loop = loop
        self._address = address
        self._kept = kept
        self._idle: list[Upstream] = []
        self._all: set[Upstream] = set()
        self.in_flight = 0
        # One buffer for all: the loop fills it and hands it over within one call.
        self.view = memoryview(bytearray(256 << 10))

    def idle(self) -> Upstream | None:
        """A connection that is there already. The caller counts it in `in_flight`."""
        while self._idle:
            upstream = self._idle.pop()
            if upstream.closed:
                continue
            if upstream.idle_since + self._kept > self._loop.time():
                return upstream
            upstream.give_up()
        return None

    async def connect(self) -> Upstream:
        """Raises OSError: the process takes none, and has seen nothing."""
        loop, address = self._loop, self._address
        if isinstance(address, str):
            _, upstream = await loop.create_unix_connection(lambda: Upstream(self), address)
        else:
            _, upstream = await loop.create_connection(lambda: Upstream(self), _HERE, address)
        self._all.add(upstream)
        if upstream.closed:
            raise ConnectionResetError("It closed the connection at once.")
        return upstream

    def give_back(self, upstream: Upstream) -> None:
        if len(self._idle) < _MOST_IDLE:
            upstream.idle_since = self._loop.time()
            self._idle.append(upstream)
        else:
            upstream.give_up()

    def leave(self, upstream: Upstream) -> None:
        self._all.discard(upstream)
        if upstream in self._idle:
            self._idle.remove(upstream)

    def close(self) -> None:
        """The process is gone, and whoever waits for it is told."""
        for upstream in list(self._all):
            upstream.lose()
