"""One keep-alive HTTP/1.1 connection to a server on a Unix socket, one exchange at a time.

An answer that is small and of known length comes whole; any other comes as a `ResponseBody`,
which stops reading from the socket when its reader is slow.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, cast

from domain.ports import Break, BrokenOff, InstanceLost
from infra.compute.http.http_answer import (
    HEAD_LIMIT,
    ChunkReader,
    Headers,
    MalformedError,
    ResponseBody,
    parse_head,
)
from infra.compute.http.liveness import lives

WHOLE: Final = 256 * 1024
ONE_WRITE: Final = 64 * 1024


class UnixResponse(NamedTuple):
    """`headers` lower-case, without hop-by-hop ones. A `ResponseBody` must be iterated to its
    end or closed."""

    status: int
    headers: Headers
    body: "bytes | ResponseBody"


class _Whole:
    """A small answer whose body is still coming."""

    __slots__ = ("headers", "pieces", "remaining", "status")

    def __init__(self, status: int, headers: Headers, length: int) -> None:
        self.status = status
        self.headers = headers
        self.remaining = length
        self.pieces: list[bytes] = []


class Connection(asyncio.Protocol):
    """`begin` an exchange, `write` one request, and await its answer. `on_idle` is called when
    the connection can take another, `on_lost` once when it never will. `broke_off`: the server
    ended it in the middle of an exchange."""

    __slots__ = (
        "_address",
        "_answer",
        "_body",
        "_breaking",
        "_drained",
        "_head",
        "_interim",
        "_keep",
        "_loop",
        "_no_body",
        "_on_idle",
        "_on_lost",
        "_patience",
        "_reading",
        "_received",
        "_remaining",
        "_transport",
        "_whole",
        "_written",
        "broke_off",
        "closed",
        "request_ended",
        "usable",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: str,
        on_idle: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self._loop = loop
        self._address = address
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._transport: asyncio.Transport  # From `connection_made` on, before anybody has it.
        self._drained: asyncio.Future[None] | None = None
        self._answer: asyncio.Future[UnixResponse] | None = None
        self.broke_off = False
        self.closed = False
        self.usable = True
        self.request_ended = True
        self._patience = 0.0
        self._reset("GET")

    def _reset(self, method: str) -> None:
        self._head = bytearray()
        self._interim = 0
        self._reading: Callable[[bytes], None] = self._read_head
        self._whole: _Whole | None = None
        self._remaining = 0
        self._body: ResponseBody | None = None
        self._keep = True
        self._received = False
        self._written = 0
        self._no_body = method == "HEAD"

    # -- the caller's side

    def begin(self, method: str, patience: float) -> "asyncio.Future[UnixResponse]":
        """Expect the answer to a request about to be written. `patience` is how long, in
        seconds, the server lets the answer and each piece of it take."""
        self._reset(method)
        self._patience = patience
        self.request_ended = False
        self._answer = self._loop.create_future()
        return self._answer

    def write(self, data: bytes) -> None:
        if not self.closed:
            self._written += len(data)
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the server has taken enough for more to be written."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def end_request(self) -> None:
        """All of the request has been written."""
        self.request_ended = True

    def time_out(self) -> None:
        """The answer's head is overdue: fail. If only the rest of a small body is, go on as
        a stream."""
        if self._answer is None or self._answer.done():
            return
        if self._whole is not None:
            self._stream_from_here(self._whole)
            return
        self._answer.set_exception(TimeoutError("The instance did not answer in time."))
        self.abort()

    def abort(self) -> None:
        """Close at once; the server sees its client go."""
        self.usable = False
        self._transport.abort()

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.closed:
            return
        self.closed = True
        self.usable = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        answer, body = self._answer, self._body
        reason = str(exc) if exc else "the connection was closed"
        if answer is not None and not answer.done():
            # The kernel takes a write this small whole or not at all: with a broken pipe, not. It
            # resets where the server never took the connection, or left some of it unread.
            untold = isinstance(exc, BrokenPipeError | ConnectionResetError)
            unseen = untold and self._written <= ONE_WRITE
            sent = self._received or not unseen
            self.broke_off = True
            answer.set_exception(
                InstanceLost(f"The instance went away without an answer: {reason}.", sent=sent)
            )
        elif body is not None:
            if exc is None and self._remaining < 0:
                body.finish()
            else:
                self.broke_off = not body.ended
                self._breaking = self._loop.create_task(self._break(body, body.overdue, reason))
        self._on_lost(self)

    async def _break(self, body: ResponseBody, overdue: bool, reason: str) -> None:
        """End a body that has broken off, with why it did."""
        if not await lives(self._address):
            body.fail(BrokenOff(Break.INSTANCE_LOST, f"The answer broke off: {reason}."))
        elif overdue:
            told = f"The answer broke off: nothing more of it came for {self._patience:g} s."
            body.fail(BrokenOff(Break.TIME_LIMIT, told))
        else:
            told = "The answer broke off: the instance ended it."
            body.fail(BrokenOff(Break.CUT_OFF, told))

    def eof_received(self) -> bool:
        self.usable = False
        return False

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def data_received(self, data: bytes) -> None:
        self._received = True
        try:
            self._reading(data)
        except MalformedError as error:
            self._keep = False
            told = f"The instance's answer is not HTTP: {error}."
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(InstanceLost(told, sent=True))
            elif self._body is not None:
                self._body.fail(BrokenOff(Break.CUT_OFF, told))
            self.abort()

    # -- reading an answer

    def _read_head(self, data: bytes) -> None:
        if self._answer is None:
            raise MalformedError("bytes that nothing asked for")
        if self._head:
            sought = max(0, len(self._head) - 3)
            self._head += data
            if self._head.find(b"\r\n\r\n", sought) < 0:
                self._check_head(len(self._head))
                return
            data = bytes(self._head)
            self._head.clear()
        at = 0
        while True:
            end = data.find(b"\r\n\r\n", at)
            if end < 0:
                self._check_head(len(data) - at)
                self._head += data[at:]
                return
            status, headers, length, chunked, keep = parse_head(data[at:end])
            if not 100 <= status < 200:
                break
            if status == 101:
                raise MalformedError("a switch of protocols")
            self._interim += end + 4 - at
            at = end + 4
            self._check_head(0)
        rest = data[end + 4 :]
        self._keep = keep
        if self._no_body or status in {204, 304}:
            self._finish_whole(status, headers, b"", rest)
        elif length is not None and length <= len(rest):
            self._finish_whole(status, headers, rest[:length], rest[length:])
        else:
            self._reading = self._reader(status, headers, length, chunked)
            if rest:
                self._reading(rest)

    def _check_head(self, size: int) -> None:
        """`size` of what has come since the last interim head."""
        if self._interim + size > HEAD_LIMIT:
            raise MalformedError("its head is over 64 KiB")

    def _reader(
        self, status: int, headers: Headers, length: int | None, chunked: bool
    ) -> Callable[[bytes], None]:
        """Of a body that is still to come."""
        if length is not None and length <= WHOLE:
            self._whole = _Whole(status, headers, length)
            return partial(self._read_whole, self._whole)
        body = self._start_stream(status, headers)
        if chunked:
            return partial(self._read_chunks, body, ChunkReader())
        if length is not None:
            self._remaining = length
            return partial(self._read_stream, body)
        self._keep = False
        self._remaining = -1
        return body.feed

    def _read_whole(self, whole: _Whole, data: bytes) -> None:
        whole.pieces.append(data)
        whole.remaining -= len(data)
        if whole.remaining <= 0:
            self._whole = None
            content = b"".join(whole.pieces)
            length = len(content) + whole.remaining
            self._finish_whole(whole.status, whole.headers, content[:length], content[length:])

    def _read_stream(self, body: ResponseBody, data: bytes) -> None:
        piece = data[: self._remaining]
        self._remaining -= len(piece)
        body.feed(piece)
        if self._remaining == 0:
            self._finish_stream(body, data[len(piece) :])

    def _read_chunks(self, body: ResponseBody, chunks: ChunkReader, data: bytes) -> None:
        pieces = chunks.read(data)
        body.feed(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if chunks.ended:
            self._finish_stream(body, chunks.left)

    def _finish_whole(self, status: int, headers: Headers, content: bytes, extra: bytes) -> None:
        answer = self._answer
        self._done(extra)
        if answer is not None and not answer.done():
            answer.set_result(UnixResponse(status, headers, content))

    def _start_stream(self, status: int, headers: Headers) -> ResponseBody:
        body = self._body = ResponseBody(self._loop, self._transport, self._patience)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(UnixResponse(status, headers, body))
        return body

    def _stream_from_here(self, whole: _Whole) -> None:
        self._whole = None
        body = self._start_stream(whole.status, whole.headers)
        self._remaining = whole.remaining
        self._reading = partial(self._read_stream, body)
        for piece in whole.pieces:
            body.feed(piece)

    def _finish_stream(self, body: ResponseBody, extra: bytes) -> None:
        self._body = None
        body.finish()
        body.resume()
        self._done(extra)

    def _done(self, extra: bytes) -> None:
        self._answer = None
        self._reading = self._read_head
        if self._keep and self.usable and self.request_ended and not extra:
            self._on_idle(self)
        else:
            self.abort()
