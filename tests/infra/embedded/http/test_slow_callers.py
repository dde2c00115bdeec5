"""Callers who are slow, silent or many, on real sockets."""

import asyncio
import contextlib
import gc
import socket
import ssl
import struct
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import azure.functions as func
import httpx
import pytest
from azurefunctions.extensions.http.fastapi import Request, Response, StreamingResponse

from infra.embedded.access.tls import TlsFiles, ensure_certificates
from infra.embedded.http.caller_connection import PIPELINED
from infra.embedded.http.door_limits import DoorLimits
from infra.embedded.http.http_server import HttpServer
from tests.kit.stages.ample_door import AMPLE
from tests.kit.waiting import PATIENCE, eventually, patience

Served = Callable[..., Any]

FEW = replace(AMPLE, connections=64, strangers=32, strangers_of_one_address=16)
HASTY = replace(AMPLE, head_time=0.2, body_rate=10_000_000)
"""No pace of a test's own keeps up with the rate."""
POST = b"POST /taken HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n"


class App(func.FunctionApp):
    """`taken` takes a body, of a known caller where the head says so; `waits` answers when told;
    `streams` answers for ever."""

    def __init__(self) -> None:
        super().__init__(http_auth_level=func.AuthLevel.ANONYMOUS)
        self.asked = 0
        self.gave_up = 0
        self.left = asyncio.Event()
        self.go_on = asyncio.Event()
        self.route(route="taken", methods=["POST"])(self._taken())
        self.route(route="waits", methods=["GET"])(self._waits())
        self.route(route="streams", methods=["GET"])(self._streams())

    def _taken(self) -> Any:
        async def taken(req: Request) -> Response:
            if "authorization" in req.headers and "admitted" in req.scope:
                req.scope["admitted"]()
            try:
                body = await req.body()
            except Exception:
                self.gave_up += 1
                raise
            return Response(f"{len(body)} {'x-late' in req.headers}")

        return taken

    def _waits(self) -> Any:
        async def waits(req: Request) -> Response:
            self.asked += 1
            await self.go_on.wait()
            return Response("done")

        return waits

    def _streams(self) -> Any:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield bytes(65536)
                    await asyncio.sleep(0)
            finally:
                self.left.set()

        async def streams(req: Request) -> Response:
            return StreamingResponse(pieces())

        return streams


class Said:
    """Connections on which something was said, and nothing is asked of them."""

    def __init__(self, client: httpx.AsyncClient, stack: contextlib.AsyncExitStack) -> None:
        self._client = client
        self._stack = stack

    async def say(self, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = self._client.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        self._stack.push_async_callback(_leave, writer)
        writer.write(said)
        return reader, writer


async def _leave(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def saying(client: httpx.AsyncClient) -> AsyncIterator[Said]:
    async with patience(), contextlib.AsyncExitStack() as stack:
        yield Said(client, stack)


async def heard(reader: asyncio.StreamReader) -> bytes:
    """All until the connection ends, however it does."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65536):
            said += piece
    return said


async def test_slow_bodies_keep_nobody_out_and_known_callers_are_let_be(served: Served) -> None:
    app = App()
    async with served(app, limits=FEW) as client, saying(client) as callers:
        reader, writer = await callers.say(POST % 2 + b"authorization: good\r\n\r\nx")
        # Asked once and answered, the door has certainly heard of it.
        assert (await client.post("/taken", content=b"abc")).text == "3 False"
        for _ in range(200):
            await callers.say(POST % 100 + b"\r\nx")
        for _ in range(2):
            async with httpx.AsyncClient(base_url=client.base_url, timeout=None) as new:
                assert (await new.post("/taken", content=b"abc")).text == "3 False"
        assert app.gave_up
        writer.write(b"y")
        assert (await reader.readuntil(b"2 False")).startswith(b"HTTP/1.1 200")


async def test_connections_that_never_start_tls_keep_nobody_out(served: Served) -> None:
    async with served(App(), limits=FEW, tls=True) as client, saying(client) as callers:
        silent = [await callers.say() for _ in range(100)]
        assert (await client.post("/taken", content=b"abc")).text == "3 False"
        assert await heard(silent[0][0]) == b""


async def test_who_never_ends_a_handshake_is_cut_off(served: Served) -> None:
    async with served(App(), limits=HASTY, tls=True) as client, saying(client) as callers:
        silent, _ = await callers.say()
        begun, _ = await callers.say(b"\x16\x03\x01\x02\x00")
        assert [await heard(silent), await heard(begun)] == [b"", b""]


def said_by_tls(url: httpx.URL, said: bytes) -> ssl.SSLSocket:
    """A caller who does not say goodbye when it is told it."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    connection = tls.wrap_socket(socket.create_connection((url.host, url.port)))
    connection.sendall(said)
    return connection


async def test_a_target_that_cannot_be_read_keeps_nobody_from_being_looked_at(
    served: Served,
) -> None:
    async with served(App(), limits=HASTY, tls=True) as client, saying(client) as callers:
        said = b"GET http://x HTTP/1.1\r\nhost: x\r\n\r\n"
        with await asyncio.to_thread(said_by_tls, client.base_url, said):
            for _ in range(2):
                silent, _ = await callers.say()
                assert await heard(silent) == b""


@contextlib.asynccontextmanager
async def door(
    app: object, limits: DoorLimits, tls: TlsFiles | None
) -> AsyncIterator[tuple[HttpServer, int]]:
    """With its figures, and nobody connected who is not the test's."""
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    server = HttpServer(app, bound, tls, limits=limits, headers=(), grace=PATIENCE)
    await server.start()
    try:
        yield server, bound.getsockname()[1]
    finally:
        await server.stop()


async def test_who_is_too_slow_is_counted_once(tmp_path: Path) -> None:
    async with door(App(), HASTY, ensure_certificates(tmp_path)) as (server, port):
        url = httpx.URL(f"https://127.0.0.1:{port}")
        with await asyncio.to_thread(said_by_tls, url, b"GET /"):
            await eventually(lambda: "ConnectionsActive 0" in server.text())
        assert 'ConnectionsCut_total{reason="head"} 1' in server.text()


async def trickled(
    writer: asyncio.StreamWriter, reading: asyncio.Task[bytes], piece: bytes
) -> None:
    """`piece` again and again until the connection ends."""

    def ended() -> bool:
        with contextlib.suppress(ConnectionError):
            writer.write(piece)
        return reading.done()

    await eventually(ended)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"content-length: 100000000\r\n\r\n", b"x"),
        (b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"transfer-encoding: chunked\r\n\r\n1;", b"extension"),
        (b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
    ],
    ids=["length", "chunks", "extension", "trailers"],
)
async def test_a_body_that_comes_too_slowly_is_given_up(
    served: Served, head: bytes, piece: bytes
) -> None:
    app = App()
    async with served(app, limits=HASTY) as client, saying(client) as callers:
        reader, writer = await callers.say(b"POST /taken HTTP/1.1\r\nhost: x\r\n" + head)
        reading = asyncio.create_task(heard(reader))
        await trickled(writer, reading, piece)
        assert app.gave_up == 1
        # Where more was on its way when it ended, the system may have dropped the answer.
        assert reading.result().startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 431 ", b""))
        writer.close()
        reader, _ = await callers.say(b"POST /taken HTTP/1.1\r\nhost: x\r\n" + head)
        assert (await heard(reader)).startswith(b"HTTP/1.1 408 ")
        assert app.gave_up == 2


async def test_a_body_that_nobody_reads_any_more_ends_too(served: Served) -> None:
    async with served(App(), limits=HASTY) as client, saying(client) as callers:
        head = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n"
        reader, writer = await callers.say(head)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
        await trickled(writer, asyncio.create_task(heard(reader)), b"x")


async def test_what_begins_no_request_does_not_keep_a_connection(served: Served) -> None:
    limits = replace(AMPLE, head_time=0.2)
    async with served(App(), limits=limits) as client, saying(client) as callers:
        reader, writer = await callers.say(POST % 0 + b"\r\n")
        assert (await reader.readuntil(b"0 False")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"\r\n")
        assert await heard(reader) == b""


async def test_who_does_not_take_an_answer_is_cut_off(served: Served) -> None:
    app = App()
    async with served(app, limits=HASTY) as client, saying(client) as callers:
        await callers.say(b"GET /streams HTTP/1.1\r\nhost: x\r\n\r\n")
        await app.left.wait()


async def test_requests_that_wait_behind_another_are_limited(served: Served) -> None:
    app = App()
    asked = b"GET /waits HTTP/1.1\r\nhost: x\r\n\r\n"
    async with served(app) as client, saying(client) as callers:
        reader, _ = await callers.say(asked * (PIPELINED + 2))
        assert await heard(reader) == b""
        reader, _ = await callers.say(asked * PIPELINED)
        await eventually(lambda: app.asked == 2)
        app.go_on.set()
        for _ in range(PIPELINED):
            assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200 ")
        assert app.asked == 1 + PIPELINED


async def test_nothing_is_kept_of_a_connection_that_was_reset() -> None:
    seen: weakref.WeakSet[object] = weakref.WeakSet()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.add(scope["admitted"].__self__)
        await Response("done")(scope, receive, send)

    async with door(app, AMPLE, None) as (server, port), patience():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"done")
        assert len(seen) == 1
        at_once = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()
        await eventually(lambda: "ConnectionsActive 0" in server.text())
        gc.collect()
        assert not seen


async def test_a_trailer_is_no_header(served: Served) -> None:
    async with served(App()) as client, saying(client) as callers:
        head = b"POST /taken HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        reader, _ = await callers.say(head + b"1\r\nx\r\n0\r\nx-late: 1\r\n\r\n")
        assert (await reader.readuntil(b"1 False")).startswith(b"HTTP/1.1 200 ")
