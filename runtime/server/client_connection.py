"""One client's connection: requests in, replies out, in order, however hostile the client.

The I/O loop reads and parses; a worker thread writes its own reply straight to the socket,
which spares the hot path a second switch between threads. So `respond` and `stream` may be
called from any thread, and the connection's lock guards what both sides touch.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .exchange import STALL_LIMIT, Request
from .http1 import MAX_HEAD, ChunkedBody, Head, Refused, reply

_PIPELINE_LIMIT = 256 * 1024
_SOON_LIMIT = 32 * 1024
"""Bytes of a reply that may wait for the loop; who makes more waits for the client."""
_FULL = 0.01
"""Seconds until a socket that had no room is tried again."""
_LINGER = 1.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_JSON = "content-type: application/json\r\n"


class Site:
    """What every connection of one server shares. Lives on the I/O loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handle: Callable[[Request], None],
        dropped: Callable[[Request], None],
        *,
        max_body: int,
        guard: Callable[[Head], None] | None = None,
    ) -> None:
        """`guard` sees each head before a byte of its body is kept, and raises Refused."""
        self.loop = loop
        self.thread = threading.current_thread()
        self.handle = handle
        self.dropped = dropped
        self.max_body = max_body
        self.guard = guard
        self.draining = False
        self.connections: set[Connection] = set()
        self._to_write: deque[Connection] = deque()
        self._will_write = False
        # One buffer for all: the loop fills it and hands it over within one call.
        self.buffer = bytearray(256 * 1024)
        self.view = memoryview(self.buffer)

    def write_out(self, connection: Connection) -> None:
        """Have the loop write what this one has; from any thread."""
        self._to_write.append(connection)
        if not self._will_write:  # who finds that it will has come before it begins
            self._will_write = True
            connection.on_loop(self._write_out)

    def _write_out(self) -> None:
        self._will_write = False
        for _ in range(len(self._to_write)):
            self._to_write.popleft().write_unsent()

    def patrol(self) -> None:
        """Drop clients that stopped in the middle: of a request, or of taking a reply."""
        now = self.loop.time()
        for connection in list(self.connections):
            connection.check(now)
        self.loop.call_later(STALL_LIMIT / 6, self.patrol)

    def close_idle(self) -> None:
        for connection in list(self.connections):
            connection.close_if_idle()


class Connection(asyncio.BufferedProtocol):
    def __init__(self, site: Site) -> None:
        self.site = site
        self._lock = threading.Lock()
        self._transport: Any = None
        self._fd = -1
        # Replies of which a rest is on its way to the transport: later ones must queue behind.
        self._deferred = 0
        self._stalled_at = 0
        # A client that does not take its replies gets no further ones made.
        self._clogged = False
        self._pending = bytearray()
        self._head: Head | None = None
        self._mark = ""
        self._chunks: ChunkedBody | None = None
        self._current: Request | None = None
        # A part of the reply to the current request is out: there can be no other.
        self._begun = False
        # What of it waits for the loop to write it.
        self._unsent = bytearray()
        self._closing = False
        self._paused = False
        self._last = 0.0

    # -- the loop's side ------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        # A descriptor of our own: a worker can never write to a number that the loop closed
        # and the system gave to somebody else.
        self._fd = os.dup(transport.get_extra_info("socket").fileno())
        self.site.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.site.connections.discard(self)
        with self._lock:
            current, self._current = self._current, None
            self._closing = True
            os.close(self._fd)
            self._fd = -1
            self._unsent.clear()
        self._pending.clear()
        if current is not None:
            current.gone = True
            self.site.dropped(current)
            current.give_up()

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        self._resume()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.site.view

    def buffer_updated(self, nbytes: int) -> None:
        if self._closing:
            return
        data = self.site.view[:nbytes]
        self._last = self.site.loop.time()
        with self._lock:
            if self._current is not None or self._clogged:
                self._pending += data
                if len(self._pending) > _PIPELINE_LIMIT and not self._paused:
                    self._paused = True
                    self._transport.pause_reading()
                return
        if self._head is None and not self._pending:
            # The usual case: one whole request in one piece, never copied into a buffer.
            raw = bytes(data)
            end = raw.find(b"\r\n\r\n")
            if 0 < end <= MAX_HEAD:
                self._take_whole(raw, end)
                return
        self._pending += data
        self._parse()

    def _take_whole(self, raw: bytes, end: int) -> None:
        try:
            head = self._read_head(raw[:end])
        except Refused as refusal:
            self._refuse(refusal)
            return
        start = end + 4
        if head.length is not None and len(raw) - start == head.length:
            self._accept(head, raw[start:])
            return
        self._pending += raw[start:]
        self._begin(head)
        self._parse()

    def _parse(self) -> None:
        try:
            while self._current is None and not self._closing and not self._clogged:
                if self._head is None and not self._parse_head():
                    return
                head = self._head
                if head is None:
                    return
                if self._chunks is not None:
                    if not self._chunks.feed(self._pending):
                        return
                    body = bytes(self._chunks.body)
                else:
                    length = head.length or 0
                    if len(self._pending) < length:
                        return
                    body = bytes(memoryview(self._pending)[:length])
                    del self._pending[:length]
                self._head = self._chunks = None
                self._accept(head, body)
        except Refused as refusal:
            self._refuse(refusal)

    def _parse_head(self) -> bool:
        pending = self._pending
        while pending.startswith(b"\r\n"):
            del pending[:2]
        end = pending.find(b"\r\n\r\n", 0, MAX_HEAD + 4)
        if end < 0:
            if len(pending) > MAX_HEAD:
                raise Refused(431, "The request's head is larger than 64 KiB.")
            if b"\n\n" in pending:
                raise Refused(400, "Lines of a request's head end in CR LF.")
            return False
        raw = bytes(pending[:end])
        del pending[: end + 4]
        self._begin(self._read_head(raw))
        return True

    def _read_head(self, raw: bytes) -> Head:
        """Raises Refused."""
        self._mark = ""
        head = Head(raw)
        guard = self.site.guard
        if guard is not None:
            guard(head)
            self._mark = head.mark
        return head

    def _begin(self, head: Head) -> None:
        """A head whose body is still to come, at least in part."""
        limit = self.site.max_body
        if head.length is not None and head.length > limit:
            self._refuse(Refused(413, f"The body is larger than {limit} bytes."))
            return
        self._head = head
        if head.length is None:
            self._chunks = ChunkedBody(limit)
        if head.expects_continue and not self._pending:
            self.site.loop.call_soon(self._transport.write, _CONTINUE)

    def _accept(self, head: Head, body: bytes) -> None:
        if len(body) > self.site.max_body:
            self._refuse(Refused(413, f"The body is larger than {self.site.max_body} bytes."))
            return
        request = Request(head, body, self)
        self._current = request
        self.site.handle(request)

    def _refuse(self, refusal: Refused) -> None:
        self._closing = True
        self._pending.clear()
        message = refusal.message.replace('"', "'").encode()
        body = b'{"message": "%b"}' % message
        headers = f"{self._mark}{_JSON}{refusal.headers}"
        words = reply(refusal.status, headers, body, close=True)
        # Behind whatever is still on its way to the transport.
        self.site.loop.call_soon(self._last_words, words)

    def _last_words(self, data: bytes) -> None:
        """Leave the client time to read: closing with its bytes unread would reset it."""
        if self._transport.is_closing():
            return
        self._transport.write(data)
        self._transport.write_eof()
        self.site.loop.call_later(_LINGER, self._transport.close)

    def _write_rest(self, rest: bytes, close: bool) -> None:
        if rest:
            self._deferred -= 1
        if self._transport.is_closing():
            return
        self._transport.write(rest)
        if close:
            self._transport.close()
            return
        self._resume()

    def _resume(self) -> None:
        if self._clogged or self._closing or self._transport.is_closing():
            return
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._parse()

    def write_unsent(self) -> None:
        """Write what was left to the loop; what the client's socket has no room for, a moment
        later."""
        with self._lock:
            if not self._unsent or self._current is None:
                return
            sent = self._try_write(self._unsent)
            if sent < 0:
                self._current.gone = True
                return
            del self._unsent[:sent]
            rest = bool(self._unsent)
        if rest:
            self.site.loop.call_later(_FULL, self.write_unsent)

    def check(self, now: float) -> None:
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._stalled_at:
            self._stalled_at = unsent
            self._last = now
        if now - self._last < STALL_LIMIT or self._transport.is_closing():
            return
        if unsent:
            self._transport.abort()
        elif self._current is None and not self._closing and (self._head or self._pending):
            self._refuse(Refused(408, "The rest of the request did not come."))

    def close_if_idle(self) -> None:
        with self._lock:
            idle = self._current is None
        if idle and self._head is None and not self._transport.get_write_buffer_size():
            self._transport.close()

    # -- any thread's side ----------------------------------------------------------------

    def finish(self, request: Request, data: bytes, close: bool, *, begun: bool = False) -> bool:
        """The whole reply to `request`, or the last of one that has begun."""
        with self._lock:
            if self._current is not request or (self._begun and not begun):
                return False
            data = self._take_unsent() + data
            sent = self._try_write(data)
            if sent < 0:
                close, rest = True, b""
            else:
                rest = data if not sent else data[sent:]
            if rest:
                self._deferred += 1
            self._current = None
            self._begun = False
            more = bool(self._pending) or self._paused
        if rest or close or more:
            self.on_loop(self._write_rest, rest, close)
        return True

    def write_now(self, request: Request, data: memoryview) -> int:
        """Bytes the socket took: 0 when it is full, -1 when the client is gone."""
        with self._lock:
            if self._current is not request:
                return -1
            self._begun = True
            sent = self._try_write(data)
            if sent < 0:
                request.gone = True
            return sent

    def write_soon(self, request: Request, data: bytes) -> bool:
        """Leave it to the loop; False, and nothing is taken, if there is too much already, or
        nobody takes it."""
        with self._lock:
            waiting = len(self._unsent)
            if self._current is not request or waiting + len(data) > _SOON_LIMIT:
                return False
            self._begun = True
            self._unsent += data
        if not waiting:
            self.site.write_out(self)
        return True

    def unsent(self, request: Request) -> bytes:
        """What has been left to the loop and is not written: the caller writes it before all
        else."""
        with self._lock:
            return self._take_unsent() if self._current is request else b""

    @property
    def is_there(self) -> bool:
        return self._fd >= 0

    def wait_writable(self) -> bool:
        """Wait a moment for room. False when the connection is gone."""
        fd = self._fd
        if fd < 0:
            return False
        # Without the lock: at worst this polls a descriptor that was just closed.
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        if poll.poll(500) and (self._deferred or self._transport.get_write_buffer_size()):
            time.sleep(_FULL)  # the loop is still sending an earlier reply
        return True

    def cut(self, request: Request) -> bool:
        """Close in the middle of the reply to `request`; False if it is not at it."""
        with self._lock:
            if self._current is not request:
                return False
            # The client has what was made for it before the reply broke off.
            self._try_write(self._take_unsent())
            self._current = None
            self._closing = True
        self.on_loop(self._transport.abort)
        return True

    def _take_unsent(self) -> bytes:
        """With the lock held."""
        unsent = self._unsent
        if not unsent:
            return b""
        self._unsent = bytearray()
        return bytes(unsent)

    def _try_write(self, data: bytes | bytearray | memoryview) -> int:
        """With the lock held."""
        if self._deferred or self._transport.get_write_buffer_size():
            return 0
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            return -1

    def on_loop(self, call: Callable[..., object], *args: Any) -> None:
        if threading.current_thread() is self.site.thread:
            # Soon, not now: answering a hundred pipelined requests must not nest.
            self.site.loop.call_soon(call, *args)
            return
        try:
            self.site.loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            return  # the loop has closed: the process is on its way out
