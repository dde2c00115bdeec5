"""The parts of an HTTP/1.1 answer: its head, the `chunked` coding, and a body as it comes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from time import monotonic
from typing import Final

from domain.ports import Break, BrokenOff

HEAD_LIMIT: Final = 64 * 1024
_HIGH_WATER: Final = 512 * 1024
_LOW_WATER: Final = 128 * 1024
_ONE_WRITE: Final = 64 * 1024
_STALL: Final = 300.0
"""Seconds between two pieces of a body, where the server keeps no limit of its own."""
_NEARLY: Final = 0.95
"""Of a limit: the server counts its time from a moment before a piece arrives here."""

Headers = list[tuple[str, str]]
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection", "trailer"}
)


class MalformedError(Exception):
    """The server does not speak HTTP/1.1."""


def parse_head(head: bytes) -> tuple[int, Headers, int | None, bool, bool]:
    """Status, headers, length, whether chunked, and whether the connection stays."""
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.") or len(first) < 12 or not first[9:12].isdecimal():
        raise MalformedError(repr(first[:80]))
    keep = first[7] != "0"
    length: int | None = None
    chunked = False
    headers: Headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedError(repr(line[:80]))
        name = name.lower()
        value = value.strip(" \t")
        if name == "content-length":
            if not _is_length(value) or (length is not None and length != int(value)):
                raise MalformedError(f"content-length {value[:40]!r}")
            length = int(value)
        elif name in _HOP_BY_HOP:
            if name == "connection":
                keep = "close" not in value.lower() and (keep or "keep-alive" in value.lower())
            elif name == "transfer-encoding":
                if value.lower() != "chunked":
                    raise MalformedError(f"transfer-encoding {value[:40]!r}")
                chunked = True
            continue
        headers.append((name, value))
    if chunked and length is not None:
        raise MalformedError("both a length and chunks")
    return int(first[9:12]), headers, length, chunked, keep


def _is_length(value: str) -> bool:
    return value.isdecimal() and len(value) < 19


class ChunkReader:
    """Takes the `chunked` coding off, piece by piece, in time that goes by the bytes alone,
    however small the chunks."""

    __slots__ = ("_in_trailer", "_line", "_remaining", "_trailer_size", "ended", "left")

    def __init__(self) -> None:
        self._line = bytearray()
        self._remaining = 0
        self._in_trailer = False
        self._trailer_size = 0
        self.ended = False
        self.left = b""

    def read(self, data: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        if self._line:
            sought = len(self._line) - 1
            self._line += data
            if self._line.find(b"\r\n", sought) < 0:
                self._check_line(len(self._line))
                return pieces
            data = bytes(self._line)
            self._line.clear()
        at, size = 0, len(data)
        while at < size and not self.ended:
            if self._remaining > 2:
                piece = data[at : at + self._remaining - 2]
                pieces.append(piece)
            elif self._remaining:
                piece = data[at : at + self._remaining]
                if not b"\r\n"[2 - self._remaining :].startswith(piece):
                    raise MalformedError("a chunk of the wrong length")
            else:
                end = data.find(b"\r\n", at)
                if end < 0:
                    self._check_line(size - at)
                    self._line += data[at:]
                    return pieces
                self._take_line(data[at:end])
                at = end + 2
                continue
            at += len(piece)
            self._remaining -= len(piece)
        self.left = data[at:]
        return pieces

    def _check_line(self, size: int) -> None:
        if size > HEAD_LIMIT:
            raise MalformedError("an endless chunk head")

    def _take_line(self, line: bytes) -> None:
        if self._in_trailer:
            self.ended = not line
            self._trailer_size += len(line)
            if self._trailer_size > HEAD_LIMIT:
                raise MalformedError("its trailer is over 64 KiB")
            return
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            raise MalformedError(f"chunk head {line[:40]!r}") from None
        if size < 0:
            raise MalformedError(f"chunk head {line[:40]!r}")
        if size == 0:
            self._in_trailer = True
        else:
            self._remaining = size + 2


class ResponseBody(AsyncIterator[bytes]):
    """The pieces of an answer as they come. Raises BrokenOff if it breaks off; `patience` is the
    server's own limit, in seconds, from piece to piece."""

    __slots__ = (
        "_error",
        "_fed_at",
        "_finished",
        "_loop",
        "_patience",
        "_paused",
        "_pieces",
        "_size",
        "_transport",
        "_waiter",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, patience: float
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._patience = patience
        self._fed_at = monotonic()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._finished = False
        self._error: BrokenOff | None = None
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, piece: bytes) -> None:
        if not piece or self._finished:
            return
        self._fed_at = monotonic()
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > _HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    @property
    def ended(self) -> bool:
        """Whether nothing more comes: it is whole, has failed, or its reader gave it up."""
        return self._finished

    def finish(self) -> None:
        self._finished = True
        self._wake()

    def fail(self, error: BrokenOff) -> None:
        if not self._finished:
            self._error = error
            self.finish()

    @property
    def overdue(self) -> bool:
        """Whether nothing has come for as long as the server's own limit."""
        return monotonic() - self._fed_at >= self._patience * _NEARLY

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> "ResponseBody":
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._finished:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._waiter = self._loop.create_future()
            stalled = self._loop.call_later(_STALL, self._stall)
            try:
                await self._waiter
            finally:
                stalled.cancel()
                self._waiter = None
        piece = self._next()
        self._size -= len(piece)
        if self._size < _LOW_WATER:
            self.resume()
        return piece

    def _next(self) -> bytes:
        """What is there, as far as it goes out in one write: each goes a long way."""
        pieces = self._pieces
        piece = pieces.popleft()
        if not pieces or len(piece) >= _ONE_WRITE:
            return piece
        taken, size = [piece], len(piece)
        while pieces and size + len(pieces[0]) <= _ONE_WRITE:
            taken.append(pieces.popleft())
            size += len(taken[-1])
        return b"".join(taken)

    def resume(self) -> None:
        """Let the socket be read again."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _stall(self) -> None:
        self.fail(BrokenOff(Break.TIME_LIMIT, f"The answer stood still for {_STALL:.0f} s."))
        self._transport.abort()

    async def aclose(self) -> None:
        """Give up the rest of the answer; the connection goes with it."""
        if not self._finished:
            self._finished = True
            self._transport.abort()
        self._pieces.clear()

    def __del__(self) -> None:
        if not self._finished and not self._loop.is_closed():
            self._transport.abort()
