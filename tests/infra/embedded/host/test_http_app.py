"""HTTP functions through the embedded host's own server, on real sockets."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import azure.functions as func
import httpx
import pytest
from azurefunctions.extensions.http.fastapi import (
    JSONResponse,
    Request,
    Response,
    StreamingResponse,
)

from infra.embedded.host.invocation import current_invocation, operation_id
from tests.kit.stages.ample_door import AMPLE
from tests.kit.waiting import PATIENCE, eventually, patience

Served = Callable[..., Any]

TRACE = "0af7651916cd43dd8448eb211c80319c"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def app() -> func.FunctionApp:
    return func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def echo_app() -> func.FunctionApp:
    echo = app()

    @echo.route(route="things/{name}", methods=["GET", "PUT"])
    async def get_thing(req: Request) -> Response:
        return JSONResponse(
            {
                "name": req.path_params["name"],
                "query": dict(req.query_params),
                "function": current_invocation().function,
                "operation": operation_id(),
            }
        )

    @echo.route(route="things", methods=["POST"])
    async def post_thing(req: Request) -> Response:
        return Response(await req.body(), media_type=req.headers["content-type"])

    @echo.route(route="fails", methods=["GET"])
    async def fails(req: Request) -> Response:
        raise ValueError("the secret reason")

    @echo.route(route="wrong", methods=["GET"])
    async def returns_no_response(req: Request) -> Response:
        return {"not": "a response"}  # type: ignore[return-value]

    @echo.route(route="plain", methods=["GET"])
    def plain(req: Request, context: func.Context) -> Response:
        return JSONResponse([context.function_name, context.invocation_id, operation_id()])

    return echo


async def test_a_handler_gets_its_request_and_its_answer_goes_out(served: Served) -> None:
    async with served(echo_app()) as client:
        answer = await client.get("/things/caf%C3%A9?q=1")
        assert answer.status_code == 200
        assert answer.json()["name"] == "café"
        assert answer.json()["query"] == {"q": "1"}
        assert answer.json()["function"] == "get_thing"
        assert answer.headers["content-type"] == "application/json"
        posted = await client.post(
            "/things", content=b"\x00\xff" * 50_000, headers={"content-type": "x/y"}
        )
        assert posted.content == b"\x00\xff" * 50_000


async def test_a_callers_trace_goes_on_and_a_missing_one_begins(served: Served) -> None:
    async with served(echo_app()) as client:
        parent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        assert (await client.get("/things/a", headers=parent)).json()["operation"] == TRACE
        others = [(await client.get("/things/a")).json()["operation"] for _ in range(2)]
        assert len({*others, TRACE}) == 3
        for bad in ("00-xyz-1-01", f"00-{'0' * 32}-b7ad6b7169203331-01", "ff-" + TRACE):
            answer = await client.get("/things/a", headers={"traceparent": bad})
            assert len(answer.json()["operation"]) == 32


async def test_every_answer_carries_its_ids(served: Served) -> None:
    async with served(echo_app()) as client:
        for path in ("/things/a", "/nowhere", "/fails"):
            answer = await client.get(path, headers={"x-ms-correlation-request-id": "mine"})
            assert GUID.fullmatch(answer.headers["x-ms-request-id"])
            assert answer.headers["x-ms-correlation-request-id"] == "mine"
        parent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        answer = await client.get("/things/a", headers=parent)
        assert answer.headers["x-ms-correlation-request-id"] == TRACE


async def test_what_a_handler_raises_is_a_500_that_tells_nothing_but_its_id(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(echo_app()) as client:
        answer = await client.get("/fails")
        request_id = answer.headers["x-ms-request-id"]
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "InternalServerError"
        assert request_id in answer.json()["error"]["message"]
        assert "secret" not in answer.text
        (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert record.exc_info is not None
        assert record.__dict__["request_id"] == request_id
        assert (await client.get("/wrong")).status_code == 500


async def test_unknown_paths_and_methods_are_refused_in_arms_shape(served: Served) -> None:
    async with served(echo_app()) as client:
        answer = await client.get("/nowhere")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NotFound")
        answer = await client.delete("/things/a")
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "MethodNotAllowed")
        assert answer.headers["allow"] == "GET, PUT"


async def test_a_plain_function_runs_in_a_thread_with_its_context(served: Served) -> None:
    async with served(echo_app()) as client:
        answer = await client.get(
            "/plain", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        )
        name, invocation_id, operation = answer.json()
        assert (name, operation) == ("plain", TRACE)
        assert GUID.fullmatch(invocation_id)


async def test_requests_are_logged_only_when_asked(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "infra")
    async with served(echo_app()) as client:
        await client.get("/things/a")
    assert not caplog.records
    async with served(echo_app(), log_requests=True) as client:
        await client.get("/things/a?token=1")
    (record,) = caplog.records
    assert record.getMessage() == "GET /things/a 200"
    assert vars(record)["client"] == "127.0.0.1"


async def test_bodies_stream_both_ways_unbuffered(served: Served) -> None:
    """Each piece is answered before the next is sent: neither side may be held back."""
    streaming = app()

    @streaming.route(route="stream", methods=["POST"])
    async def stream(req: Request) -> Response:
        async def upper() -> AsyncIterator[bytes]:
            async for piece in req.stream():
                if piece:
                    yield piece.upper()

        return StreamingResponse(upper(), media_type="text/plain")

    async with served(streaming) as client:
        host, port = client.base_url.host, client.base_url.port
        reader, writer = await asyncio.open_connection(host, port)
        async with patience():
            writer.write(b"POST /stream HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            writer.write(b"5\r\nfirst\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readuntil(b"FIRST\r\n")
            writer.write(b"6\r\nsecond\r\n")
            assert await reader.readuntil(b"SECOND\r\n")
            writer.write(b"0\r\n\r\n")
            assert await reader.readuntil(b"0\r\n\r\n")
        writer.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_stream_ends_when_its_caller_goes_away(served: Served, method: str) -> None:
    endless = app()
    closed = asyncio.Event()

    @endless.route(route="events", methods=["GET", "POST"])
    async def events(req: Request) -> Response:
        if req.method == "POST":
            await req.body()

        async def forever() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"data: tick\n\n"
                    await asyncio.sleep(0)
            finally:
                closed.set()

        return StreamingResponse(forever(), media_type="text/event-stream")

    async with served(endless) as client:
        content = b"question" if method == "POST" else None
        async with client.stream(method, "/events", content=content) as answer:
            async for _ in answer.aiter_bytes():
                break
            assert not closed.is_set()
        async with patience():
            await closed.wait()


async def test_a_stream_that_breaks_cuts_the_connection(served: Served) -> None:
    breaking = app()

    @breaking.route(route="breaks", methods=["GET"])
    async def breaks(req: Request) -> Response:
        async def content() -> AsyncIterator[bytes]:
            yield b"some"
            raise ValueError("halfway")

        return StreamingResponse(content())

    async with served(breaking) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/breaks")


async def test_a_head_over_the_limit_is_refused(served: Served) -> None:
    async with served(echo_app()) as client:
        big = {"x-big": "x" * 70_000}
        answer = await client.get("/things/a", headers=big)
        assert answer.status_code == 431
        assert answer.json()["error"]["code"] == "RequestHeaderFieldsTooLarge"
        many = {f"x-{number}": "1" for number in range(300)}
        assert (await client.get("/things/a", headers=many)).status_code == 431
        both = await client.get("/things/" + "a" * 40_000, headers={"x-big": "x" * 40_000})
        assert both.status_code == 431
        assert (await client.get("/things/a")).status_code == 200


async def test_what_is_not_http_is_refused(served: Served) -> None:
    async with served(echo_app()) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
        async with patience():
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"InvalidRequest" in answer
        writer.close()


async def test_who_asks_for_another_protocol_is_answered_in_this_one(served: Served) -> None:
    """As Java's own client asks for HTTP/2 with its first request."""
    plain = {"content-type": "x/y"}
    asked = plain | {
        "connection": "Upgrade, HTTP2-Settings",
        "upgrade": "h2c",
        "http2-settings": "AA",
    }
    body = b"GET /things/b HTTP/1.1\r\nhost: x\r\n\r\n" * 9_000
    async with served(echo_app()) as client:
        for _ in range(2):
            assert (await client.get("/things/a", headers=asked)).status_code == 200
            for content in (body, pieces(body)):
                answer = await client.post("/things", headers=asked, content=content)
                assert (answer.status_code, answer.content) == (200, body)
            assert (await client.post("/things", headers=plain, content=body)).content == body


@pytest.mark.parametrize(
    "framing",
    [
        "content-length: 1x",
        "transfer-encoding: chunked",
        "content-length: 4\r\ntransfer-encoding: chunked",
    ],
)
async def test_a_body_after_a_plea_for_another_protocol_is_held_to_the_same_rules(
    served: Served, framing: str
) -> None:
    asked = "POST /things HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c"
    head = f"{asked}\r\n{framing}\r\n\r\n"
    async with served(echo_app()) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(head.encode() + b"zz\r\n")
        async with patience():
            answer = await reader.read()
        assert not answer or answer.startswith(b"HTTP/1.1 400")
        writer.close()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), 50_000):
        yield content[begin : begin + 50_000]


async def test_a_caller_with_the_ca_is_served_over_tls(served: Served) -> None:
    async with served(echo_app(), tls=True) as client:
        assert (await client.get("/things/a")).status_code == 200
        port = client.base_url.port
        named = await client.get(f"https://localhost:{port}/things/a")
        assert named.status_code == 200
        async with httpx.AsyncClient(timeout=PATIENCE) as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get(f"https://127.0.0.1:{port}/things/a")


async def test_stopping_lets_a_request_in_flight_end(served: Served) -> None:
    slow = app()
    begun, go_on = asyncio.Event(), asyncio.Event()

    @slow.route(route="slow", methods=["GET"])
    async def take_time(req: Request) -> Response:
        begun.set()
        await go_on.wait()
        return Response("done")

    serving = served(slow)
    client = await serving.__aenter__()
    url = client.base_url
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as caller:
        asking = asyncio.create_task(caller.get("/slow"))
        await begun.wait()
        stopping = asyncio.create_task(serving.__aexit__(None, None, None))

        async def refused() -> bool:
            try:
                _, writer = await asyncio.open_connection(url.host, url.port)
            except ConnectionError:  # refused, or reset where the closing caught it half-way
                return True
            writer.close()
            return False

        await eventually(refused)
        go_on.set()
        assert (await asking).text == "done"
        await stopping


async def test_a_caller_who_never_finishes_a_head_is_cut_off(served: Served) -> None:
    async with served(echo_app(), limits=replace(AMPLE, head_time=0.2)) as client:
        host, port = client.base_url.host, client.base_url.port
        asked = b"GET /plain HTTP/1.1\r\nhost: x\r\n\r\n"

        reader, writer = await asyncio.open_connection(host, port)

        async def answers() -> bool:
            nonlocal reader, writer
            writer.write(asked)
            try:
                await reader.readuntil(b"]")
            except (asyncio.IncompleteReadError, ConnectionError):
                # This machine was too slow in sending the head.
                writer.close()
                reader, writer = await asyncio.open_connection(host, port)
                return False
            return True

        await eventually(answers)
        silent, silent_writer = await asyncio.open_connection(host, port)
        slow, slow_writer = await asyncio.open_connection(host, port)
        slow_writer.write(b"GET /things/a HTTP/1.1\r\nhost: x\r\n")
        async with patience():
            assert await silent.read() == b""
            assert await slow.read() == b""
        # A connection that waits for its next request is not a slow one.
        writer.write(asked)
        async with patience():
            assert (await reader.readuntil(b"]")).startswith(b"HTTP/1.1 200 ")
        for each in (writer, silent_writer, slow_writer):
            each.close()
