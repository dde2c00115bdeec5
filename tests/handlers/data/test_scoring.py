"""The scoring URI as a caller meets it: through the embedded host's own HTTP door."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from domain.ports import ScoringRequest, ScoringResponse
from handlers.http import Routes
from tests.handlers.data.scoring_door import LIMIT, SCORE, Stage, drain
from tests.kit.scorers import says
from tests.kit.waiting import PATIENCE


async def test_bodies_pass_byte_for_byte_both_ways_with_any_content_type(stage: Stage) -> None:
    body = bytes(range(256)) * 8

    async def echo(request: ScoringRequest) -> ScoringResponse:
        assert request.body == body
        kind = next(value for name, value in request.headers if name == "content-type")
        return says(200, body[::-1], [("content-type", kind)])

    stage.answers_with(echo)
    reply = await stage.client.post(
        SCORE + "?a=1&b", content=body, headers={"content-type": "application/x-odd; q=1"}
    )
    assert (reply.status_code, reply.content) == (200, body[::-1])
    assert reply.headers["content-type"] == "application/x-odd; q=1"
    assert reply.headers["content-length"] == str(len(body))
    assert reply.headers["azureml-model-deployment"] == "blue"
    assert len(reply.headers.get_list("x-ms-request-id")) == 1
    assert reply.headers["x-request-id"] == reply.headers["x-ms-request-id"]
    request = stage.scorer.asked[0][1]
    assert (request.path, request.query) == ("/score", "a=1&b")
    assert "authorization" not in {name for name, _ in request.headers}


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"])
async def test_the_model_sees_the_method(stage: Stage, method: str) -> None:
    assert (await stage.client.request(method, SCORE)).status_code == 200
    assert stage.scorer.asked[0][1].method == method


@pytest.mark.parametrize(
    ("path", "host", "passed"),
    [
        ("/endpoints/iris/v2/models/a%2Fb/infer?x=%20", "anything", "/path/v2/models/a%2Fb/infer"),
        ("/endpoints/iris/score/v2/health", "anything", "/score/v2/health"),
        ("/endpoints/iris/node/state", "anything", "/path/node/state"),
        ("/endpoints/iris/livez", "anything", "/path/livez"),
        ("/endpoints/iris/", "anything", "/path/"),
        ("/ENDPOINTS/Iris/Own/Path", "anything", "/path/Own/Path"),
        ("/v2/health/ready", "iris.example.com", "/path/v2/health/ready"),
        ("/v1/models/m:predict", "iris.example.com", "/path/v1/models/m:predict"),
        ("/score/v2/health", "iris.example.com", "/score/v2/health"),
    ],
)
async def test_paths_below_the_endpoint_reach_its_server_as_they_are_and_nothing_of_the_node(
    stage: Stage, path: str, host: str, passed: str
) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        reply = await stage.client.request(method, path, headers={"Host": host})
        assert reply.status_code == 200
        request = stage.scorer.asked[-1][1]
        assert (request.method, request.path) == (method, passed)
    assert request.query == ("x=%20" if "?" in path else "")


async def test_paths_below_the_endpoint_are_for_those_with_a_key(stage: Stage) -> None:
    for path in ("v2/health/ready", "score/v2", "node/state"):
        reply = await stage.client.get(f"/endpoints/iris/{path}", headers={"Authorization": ""})
        assert reply.status_code == 401
    assert not stage.scorer.asked


async def test_headers_of_the_model_that_repeat_all_pass(stage: Stage) -> None:
    cookies = [("set-cookie", "a=1"), ("set-cookie", "b=2")]
    stage.scorer.script = lambda instance, request: says(200, b"", cookies)
    reply = await stage.client.post(SCORE)
    assert reply.headers.get_list("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/score", "iris.westeurope.example.com", 200),
        ("/score", "IRIS.example:8443", 200),
        ("/swagger.json", "iris.example.com", 200),
        ("/score", "tulips.example.com", 404),
        ("/score", "localhost:7443", 404),
        ("/score", "127.0.0.1:7443", 404),
        ("/endpoints/iris/swagger.json", "anything", 200),
        ("/ENDPOINTS/Iris/SCORE", "anything", 200),
    ],
)
async def test_an_endpoint_is_named_by_path_or_by_host(
    stage: Stage, path: str, host: str, status: int
) -> None:
    reply = await stage.client.get(path, headers={"Host": host})
    assert reply.status_code == status
    if status == 200:
        assert stage.scorer.asked[0][1].path == "/" + path.rpartition("/")[2].lower()


async def test_a_refusal_is_json_with_code_message_limit_load_and_retry(stage: Stage) -> None:
    stage.scorer.script = lambda instance, request: says(
        429,
        b'{"in_flight": 4}',
        [("ms-azureml-model-error-reason", "too_many_pending_request"), ("retry-after", "2")],
    )
    reply = await stage.client.post(SCORE, content=b"x")
    assert reply.status_code == 429
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["retry-after"] == "2"
    error = reply.json()["error"]
    assert error["code"] == "TooManyPendingRequests"
    assert error["limit"] == {"max_concurrent_requests_per_instance": 4, "instances": 1}
    assert error["load"] == {"in_flight": 0, "instance": {"in_flight": 4}}
    assert error["retry_after_seconds"] == 2
    assert error["message"]


async def test_without_a_key_the_answer_is_401_and_says_what_to_send(stage: Stage) -> None:
    reply = await stage.client.post(SCORE, headers={"Authorization": ""})
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert set(reply.json()["error"]) == {"code", "message"}
    assert (await stage.client.get("/endpoints/tulips/score")).status_code == 404


async def test_a_container_s_failure_is_424_with_its_own_body(stage: Stage) -> None:
    stage.scorer.script = lambda instance, request: says(500, b"\xfftraceback")
    reply = await stage.client.post(SCORE, content=b"x")
    assert (reply.status_code, reply.content) == (424, b"\xfftraceback")
    assert reply.headers["ms-azureml-model-error-statuscode"] == "500"


async def test_an_empty_answer_stays_empty(stage: Stage) -> None:
    stage.scorer.script = lambda instance, request: says(204)
    reply = await stage.client.post(SCORE)
    assert (reply.status_code, reply.content) == (204, b"")
    assert "content-length" not in reply.headers


async def test_a_streamed_answer_s_first_piece_is_out_before_its_last_is_in(stage: Stage) -> None:
    last = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await last.wait()
        yield b"data: 2\n\n"

    stage.scorer.script = lambda instance, request: says(
        200, events(), [("content-type", "text/event-stream")]
    )
    async with stage.client.stream("POST", SCORE, content=b"x") as reply:
        pieces = reply.aiter_raw()
        assert await anext(pieces) == b"data: 1\n\n"
        last.set()
        assert b"".join([piece async for piece in pieces]) == b"data: 2\n\n"
        assert reply.headers["content-type"] == "text/event-stream"
    assert (await stage.record()).code == 200


async def test_a_streamed_answer_keeps_its_length(stage: Stage) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    stage.scorer.script = lambda instance, request: says(200, pieces(), [("content-length", "4")])
    reply = await stage.client.post(SCORE)
    assert reply.headers["content-length"] == "4"
    assert reply.content == b"abcd"


async def test_a_chunked_body_reaches_the_model_piece_by_piece(stage: Stage) -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(request: ScoringRequest) -> ScoringResponse:
        assert not isinstance(request.body, bytes)
        async for piece in request.body:
            seen.put_nowait(piece)
        return says(body=b"all")

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one", b"two"):
            yield piece
            # The next piece leaves only once the model has this one.
            assert await asyncio.wait_for(seen.get(), PATIENCE) == piece

    stage.answers_with(take)
    reply = await stage.client.post(SCORE, content=pieces())
    assert (reply.status_code, reply.content) == (200, b"all")
    assert (await stage.record()).request_bytes == 6


@pytest.mark.parametrize("size", [65_536, 65_537, LIMIT])
async def test_bodies_up_to_the_limit_pass(stage: Stage, size: int) -> None:
    async def count(request: ScoringRequest) -> ScoringResponse:
        if isinstance(request.body, bytes):
            return says(body=str(len(request.body)).encode())
        return says(body=str(sum([len(p) async for p in request.body])).encode())

    stage.answers_with(count)
    reply = await stage.client.post(SCORE, content=b"x" * size)
    assert reply.text == str(size)


async def test_a_body_declared_too_large_is_413_before_any_of_it(stage: Stage) -> None:
    async with stage.connection() as (reader, writer):
        writer.write(stage.head(f"Content-Length: {LIMIT + 1}", "Expect: 100-continue"))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    assert head.startswith(b"HTTP/1.1 413 ")
    assert not stage.scorer.asked


async def test_a_chunked_body_that_grows_too_large_is_413_in_its_midst(stage: Stage) -> None:
    stage.answers_with(drain)
    async with stage.connection() as (reader, writer):
        writer.write(stage.head("Transfer-Encoding: chunked"))
        chunk = b"%x\r\n%b\r\n" % (50_000, b"x" * 50_000)
        for _ in range(21):
            writer.write(chunk)
            await writer.drain()
        # The body never ends, and yet:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        assert head.startswith(b"HTTP/1.1 413 ")
    assert stage.under_way == 0


async def test_our_openapi_document_tells_of_every_scoring_function(
    stage: Stage, routes: Routes
) -> None:
    told = {(d.function, d.method, d.route) for d in routes.described}
    assert told == {
        ("score_online_endpoint", "POST", "endpoints/{endpoint}/score"),
        ("score_online_endpoint_by_host", "POST", "score"),
        ("score_online_endpoint_path", "POST", "endpoints/{endpoint}/{*path}"),
        ("score_online_endpoint_path_by_host_score", "POST", "score/{*path}"),
        ("score_online_endpoint_path_by_host_v1", "POST", "v1/{*path}"),
        ("score_online_endpoint_path_by_host_v2", "POST", "v2/{*path}"),
        ("get_online_endpoint_openapi", "GET", "endpoints/{endpoint}/swagger.json"),
        ("get_online_endpoint_openapi_by_host", "GET", "swagger.json"),
    }


async def test_hostile_request_heads_do_no_harm(stage: Stage) -> None:
    lines = [
        "azureml-model-deployment: ../../etc/passwd",
        "x-request-id: " + "x" * 5000,
        "x-ms-client-request-id: \xff\xfe<script>",
        "Connection: close, x-request-id, authorization",
        "X-Forwarded-For: 1.1.1.1",
    ]
    async with stage.connection() as (reader, writer):
        writer.write(stage.head(*lines).decode().encode("latin-1"))
        reply = await asyncio.wait_for(reader.read(), PATIENCE)
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert json.loads(body)["error"]["code"] == "DeploymentNotFound"
    assert b"x-ms-client-request-id: script\r\n" in head
    assert b"xxxxx" not in head
    assert not stage.scorer.asked
