"""A proxy on 127.0.0.1 before a server, which does to requests what networks and busy services
do to them: answers in the server's place, says nothing, or cuts the connection before or after
the server has done what was asked."""

import asyncio
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import NoReturn, Self

import aiohttp
import yarl
from aiohttp import web

from tests.kit.waiting import PATIENCE

_TIME_LIMIT = aiohttp.ClientTimeout(total=PATIENCE)
_LARGEST_BODY = 1024**3
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class How(StrEnum):
    ANSWER = "answer in the server's place"
    HANG = "never answer, and never ask the server"
    HANG_AFTER = "ask the server, and never pass its answer on"
    CUT = "cut the connection without asking the server"
    CUT_AFTER = "ask the server, then cut the connection"
    CUT_BODY = "cut the connection within the body of the answer"


@dataclass(frozen=True)
class Fault:
    how: How
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def answer(status: int, body: bytes = b"{}", **headers: str) -> Fault:
    """Underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(How.ANSWER, status, named, body)


Matches = Callable[[str, str], bool]


class FaultProxy:
    """`async with FaultProxy(server_url) as proxy`: clients use `proxy.url`."""

    def __init__(self, server: str) -> None:
        self._server = server.rstrip("/")
        self._faults: list[tuple[Fault, Matches]] = []
        self.requests: list[tuple[str, str]] = []
        """Method and path, with query, of everything that was asked."""
        self.url = ""

    def next(self, *faults: Fault, when: Matches = lambda method, path: True) -> None:
        """Do `faults`, in this order, to the next requests whose method and path fit."""
        self._faults += [(fault, when) for fault in faults]

    @property
    def left(self) -> int:
        """How many faults no request has met yet."""
        return len(self._faults)

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(auto_decompress=False, timeout=_TIME_LIMIT)
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()
        await self._client.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.raw_path))
        fault = self._fault_for(request.method, request.raw_path)
        body = await request.read()
        if fault is not None:
            match fault.how:
                case How.ANSWER:
                    return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
                case How.HANG:
                    await asyncio.Event().wait()
                case How.CUT:
                    _cut(request)
        status, headers, content = await self._ask(request, body)
        if fault is not None:
            match fault.how:
                case How.HANG_AFTER:
                    await asyncio.Event().wait()
                case How.CUT_AFTER:
                    _cut(request)
                case How.CUT_BODY:
                    half = web.StreamResponse(
                        status=status, headers={**headers, "Content-Length": str(len(content))}
                    )
                    await half.prepare(request)
                    await half.write(content[: len(content) // 2])
                    _cut(request)
        return web.Response(status=status, headers=headers, body=content)

    async def _ask(self, request: web.Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        url = yarl.URL(f"{self._server}{request.raw_path}", encoded=True)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP
        }
        async with self._client.request(
            request.method,
            url,
            headers=headers,
            data=io.BytesIO(body) if body else None,
            # What a request is signed over must not grow on the way.
            skip_auto_headers=["Content-Type", "User-Agent", "Accept", "Accept-Encoding"],
        ) as reply:
            content = await reply.read()
            kept = {
                name: value
                for name, value in reply.headers.items()
                if name.lower() not in _HOP_BY_HOP
            }
            return reply.status, kept, content

    def _fault_for(self, method: str, path: str) -> Fault | None:
        for number, (fault, when) in enumerate(self._faults):
            if when(method, path):
                del self._faults[number]
                return fault
        return None


def _cut(request: web.Request) -> NoReturn:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError
