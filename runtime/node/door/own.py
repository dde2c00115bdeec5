"""One request that the agent answers itself."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

from ...server.http1 import LAST_CHUNK, Head, Refused, chunk, stream_head
from ..guard import JSON, own_body, own_headers
from .caller import Caller

_NDJSON = "content-type: application/x-ndjson\r\n"


class Question(NamedTuple):
    method: str
    path: str
    query: str
    body: bytes


class Reply(NamedTuple):
    """`lines`, where there are any, are sent as they come, in place of `body`."""

    status: int
    headers: str = ""
    body: bytes = b""
    lines: AsyncIterator[bytes] | None = None


class Refusal(Exception):
    """The agent's own no."""

    def __init__(self, status: int, reason: str, message: str, headers: str = "") -> None:
        super().__init__(message)
        self.reply = Reply(status, own_headers(reason) + headers, own_body(message))


def as_json(status: int, value: Any) -> Reply:
    return Reply(status, JSON, json.dumps(value).encode())


class Own:
    """Collects the request, at most `largest` bytes of it, and has `answer` answer it."""

    def __init__(
        self,
        caller: Caller,
        head: Head,
        answer: Callable[[Question], Awaitable[Reply]],
        *,
        largest: int,
    ) -> None:
        self._caller = caller
        self._head = head
        self._answer = answer
        self._largest = largest
        self._content = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._free = asyncio.Event()
        self._free.set()
        if head.length is not None and head.length > largest:
            raise Refused(413, f"The body is larger than {largest} bytes.")
        if head.expects_continue:
            caller.expect_more()

    def takes(self, piece: bytes, ended: bool) -> None:
        self._content += piece
        if len(self._content) > self._largest:
            raise Refused(413, f"The body is larger than {self._largest} bytes.")
        if ended:
            self._task = self._caller.hall.loop.create_task(self._run())

    def answer_clogged(self, yes: bool) -> None:
        (self._free.clear if yes else self._free.set)()

    def gone(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        head = self._head
        path, _, query = head.target.partition("?")
        try:
            reply = await self._answer(Question(head.method, path, query, bytes(self._content)))
        except Refusal as refusal:
            reply = refusal.reply
        except Exception:  # a fault of ours must show, and not look like a lost node
            traceback.print_exc(file=sys.stderr)
            message = own_body("The agent failed at this; its standard error says more.")
            reply = Reply(500, own_headers("fault"), message)
        if reply.lines is None:
            only = head.method == "HEAD"
            self._caller.answer(reply.status, reply.headers, reply.body, head_only=only)
        else:
            await self._stream(reply, reply.lines)

    async def _stream(self, reply: Reply, lines: AsyncIterator[bytes]) -> None:
        caller = self._caller
        closes = caller.closes or not self._head.http11
        headers = f"{caller.mark}{_NDJSON}{reply.headers}"
        chunked = self._head.http11
        caller.write(stream_head(reply.status, headers, chunked=chunked, close=closes))
        try:
            async for line in lines:
                await self._free.wait()
                caller.write(chunk(line) if chunked else line)
        except asyncio.CancelledError:
            raise
        except Exception:
            traceback.print_exc(file=sys.stderr)
            caller.cut()
            return
        if chunked:
            caller.write(LAST_CHUNK)
        caller.finished(closes=closes)


class TurnedAway:
    """Answered before its body is there."""

    def __init__(self, caller: Caller, reply: Reply) -> None:
        self._caller = caller
        self._reply = reply
        self._told = False

    def takes(self, piece: bytes, ended: bool) -> None:
        if not self._told:
            self._told = True
            self._caller.answer(self._reply.status, self._reply.headers, self._reply.body)

    def answer_clogged(self, yes: bool) -> None:
        """It is short."""

    def gone(self) -> None:
        """Nothing is under way."""
