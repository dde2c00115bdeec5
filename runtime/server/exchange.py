"""A request and its reply, as the applications see them."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from .http1 import LAST_CHUNK, Head, chunk, reply, stream_head
from .json_text import JsonText, written

if TYPE_CHECKING:
    from .client_connection import Connection

    _Wait = Callable[[Connection], Awaitable[bool]]

Result = TypeVar("Result")

COLLECTED = "/collected"
"""Where a gateway takes what a script has collected."""
STALL_LIMIT = 30.0
"""Seconds without progress after which a client is given up."""
_FULL = 0.01
"""Seconds until a client who had no room is tried again, where a loop waits."""
_QUICK = 0.001
"""Seconds between two pieces within which the loop takes the second out, and what follows it: a
thread that wrote each would hand the interpreter to another at every piece."""


def as_json(result: Any) -> JsonText:
    """What `run` returned, unless its request wants it written otherwise."""
    return _NOTHING if result is None else written(result)


_NOTHING = JsonText(b"{}")


def at_once(steps: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine that leaves its turn to no loop comes to."""
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    steps.close()
    raise RuntimeError("this coroutine waits for a loop")


async def _wait(connection: Connection) -> bool:
    return connection.wait_writable()


async def _leave_turn(connection: Connection) -> bool:
    await asyncio.sleep(_FULL)
    return connection.is_there


class Request:
    """A whole request, and the one place to answer it. `id` names it in the log.

    While it runs, `due` is when (by perf_counter) the next of its answer must be there, with
    `patience` seconds from one piece to the next, and `ends` when all of it must. Once it is
    `abandoned` nobody takes its answer any more; `interrupt`, where set, is called then, from
    any thread."""

    __slots__ = (
        "abandoned",
        "body",
        "connection",
        "due",
        "ends",
        "entered",
        "failed",
        "gone",
        "headers",
        "http11",
        "id",
        "interrupt",
        "keep_alive",
        "mark",
        "method",
        "patience",
        "release",
        "target",
        "worker",
        "write",
    )

    def __init__(self, head: Head, body: bytes, connection: Connection) -> None:
        self.method = head.method
        self.target = head.target
        self.headers = head.headers
        self.http11 = head.http11
        self.keep_alive = head.keep_alive
        self.mark = head.mark
        self.body = body
        self.connection = connection
        self.entered = 0.0
        self.id = ""
        self.due = self.ends = self.patience = math.inf
        self.gone = False
        self.abandoned = False
        self.failed = False
        self.worker = 0
        self.release: Callable[[Request], None] | None = None
        self.interrupt: Callable[[], object] | None = None
        self.write: Callable[[Any], JsonText] = as_json

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def respond(self, status: int, headers: str, body: bytes) -> bool:
        """Send a whole reply. False, and not a byte goes out, if the client is gone, or has an
        answer already or the beginning of one."""
        connection = self.connection
        close = not self.keep_alive or connection.site.draining
        headers = self.mark + headers
        data = reply(status, headers, body, close=close, head_only=self.method == "HEAD")
        self.leave()
        return connection.finish(self, data, close)

    def leave(self) -> None:
        """Free the worker that runs this, once. Before the reply goes out: a client that has
        its answer must never find the worker still taken."""
        if self.release is not None and self.worker == threading.get_ident():
            release, self.release = self.release, None
            release(self)

    def cut(self) -> bool:
        """Break off an answer that has begun, so that nobody can take a part for the whole.
        False if there is none to break off."""
        if not self.connection.cut(self):
            return False
        self.give_up()
        return True

    def give_up(self) -> None:
        """Let what makes the answer know, if it can, that nobody takes it any more."""
        self.abandoned = True
        interrupt = self.interrupt
        if interrupt is not None:
            interrupt()

    def stream(self, status: int, headers: str) -> Stream:
        """Begin a reply of unknown length. The client may already be gone: `write` tells."""
        return Stream(self, status, headers)


class Stream:
    """A reply sent piece by piece, each at once or, where they come fast, a moment later with its
    next. `write` waits for a slow client (the calling thread, never the loop), at most STALL_LIMIT
    seconds without progress. `sent` counts the body's bytes; `stalled` says that the client stood
    still for longer."""

    def __init__(self, request: Request, status: int, headers: str) -> None:
        self._request = request
        self._chunked = request.http11
        self._close = (
            not request.keep_alive or not request.http11 or request.connection.site.draining
        )
        headers = request.mark + headers
        self._held = stream_head(status, headers, chunked=self._chunked, close=self._close)
        self._written_at = -math.inf
        self.sent = 0
        self.stalled = False

    def write(self, data: bytes) -> bool:
        """False once nobody takes the bytes any more."""
        return at_once(self.write_here(data))

    async def write_here(self, data: bytes) -> bool:
        """The same, as a coroutine, which leaves its turn to no loop."""
        return await self._write(data, _wait)

    async def write_on_loop(self, data: bytes) -> bool:
        """The same on an event loop, which goes on meanwhile."""
        return await self._write(data, _leave_turn)

    async def _write(self, data: bytes, wait: _Wait) -> bool:
        request = self._request
        if not data:
            return not request.gone
        piece = chunk(data) if self._chunked else data
        now = time.perf_counter()
        if now - self._written_at < _QUICK and request.connection.write_soon(request, piece):
            written_at = now
        else:
            held, self._held = self._held, b""
            # A slow client is no fault of who makes the answer.
            request.due = request.ends
            if not await self._send(held + request.connection.unsent(request) + piece, wait):
                return False
            written_at = time.perf_counter()
        self._written_at = written_at
        self.sent += len(data)
        request.due = min(written_at + request.patience, request.ends)
        return True

    def end(self, data: bytes = b"") -> bool:
        held = self._held
        if data:
            held += chunk(data) if self._chunked else data
        if self._chunked:
            held += LAST_CHUNK
        self._request.leave()
        return self._request.connection.finish(self._request, held, self._close, begun=True)

    def abort(self) -> None:
        """Cut the connection, so that a client cannot take a part for the whole."""
        self._request.cut()

    async def _send(self, data: bytes, wait: _Wait) -> bool:
        view = memoryview(data)
        connection = self._request.connection
        deadline = time.monotonic() + STALL_LIMIT
        while view:
            sent = connection.write_now(self._request, view)
            if sent < 0:
                return False
            if sent:
                view = view[sent:]
                deadline = time.monotonic() + STALL_LIMIT
            elif time.monotonic() > deadline or not await wait(connection):
                self.stalled = self._request.cut()
                return False
        return True
