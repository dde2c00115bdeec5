"""The scoring URI as a caller meets it: through the embedded host's own HTTP door."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import azure.functions as func
import httpx
import pytest

from domain.ports import Break, BrokenOff, ScoringRequest, ScoringResponse
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import RouteTable
from domain.scoring.outliers import Outliers
from domain.scoring.request_record import RequestRecord
from handlers.data import caller, scoring
from handlers.data.caller import Caller
from handlers.http import Routes
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.host.functions import index
from infra.embedded.host.http_app import HttpApp
from infra.embedded.host.http_server import HttpServer
from tests.kit.clocks import HeldClock
from tests.kit.computes import StaticServing
from tests.kit.scorers import ScriptedScorer, says
from tests.kit.stages.scoring_stage import PRIMARY, Endpoints, WatchedStore, scoring_on
from tests.kit.waiting import PATIENCE, eventually

LIMIT = 1_000_000
AUTHORIZATION = {"Authorization": f"Bearer {PRIMARY}"}


class Stage:
    """The endpoint `iris` with one deployment `blue`, behind a real server on a socket."""

    def __init__(self, store: WatchedStore) -> None:
        self.scorer = ScriptedScorer()
        self.compute = StaticServing()
        self.store = store
        self.records: list[RequestRecord] = []
        self.recorded = asyncio.Event()
        self.instances = InstanceChoice(self.compute, Outliers())
        self.scoring = scoring_on(
            RouteTable(store, HeldClock(), read_limit=PATIENCE),
            self.compute,
            self.scorer,
            self._record,
            instances=self.instances,
            max_request_bytes=LIMIT,
        )
        self.port = 0
        self.client: httpx.AsyncClient

    def _record(self, record: RequestRecord) -> None:
        self.records.append(record)
        self.recorded.set()

    async def record(self) -> RequestRecord:
        """The first one, once it is there."""
        await asyncio.wait_for(self.recorded.wait(), PATIENCE)
        return self.records[0]

    @property
    def under_way(self) -> int:
        return self.instances.under_way

    def answers_with(self, take: Callable[[ScoringRequest], Awaitable[ScoringResponse]]) -> None:
        self.scorer.script = lambda instance, request: take(request)

    @asynccontextmanager
    async def connection(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    def head(self, *lines: str) -> bytes:
        first = (
            "POST /endpoints/iris/score HTTP/1.1",
            "Host: h",
            f"Authorization: Bearer {PRIMARY}",
        )
        return ("\r\n".join((*first, *lines)) + "\r\n\r\n").encode()


@pytest.fixture
async def stage(
    tmp_path: Path, routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    monkeypatch.setattr(caller, "STALL_LIMIT", PATIENCE)
    real = SqliteResourceStore(tmp_path / "documents.db")
    stage = Stage(WatchedStore(real))
    endpoints = Endpoints(real)
    await endpoints.put("iris", {"blue": 100})
    await endpoints.put_deployment("iris", "blue", max_concurrent=4)
    stage.compute.start("iris", "blue")
    app = func.FunctionApp()
    app.register_functions(scoring.blueprint(routes, stage.scoring))
    asgi: Any = HttpApp(index(app, {}), exact={}, prefixes=(), route_prefix="", log_requests=False)
    bound = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(asgi, bound, None, grace=1, head_time=PATIENCE)
    await server.start()
    stage.port = bound.getsockname()[1]
    url = f"http://127.0.0.1:{stage.port}"
    async with httpx.AsyncClient(base_url=url, headers=AUTHORIZATION, timeout=PATIENCE) as client:
        stage.client = client
        yield stage
    await server.stop()
    await real.close()


SCORE = "/endpoints/iris/score"


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


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_the_model_sees_the_method(stage: Stage, method: str) -> None:
    assert (await stage.client.request(method, SCORE)).status_code == 200
    assert stage.scorer.asked[0][1].method == method


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_405(stage: Stage, method: str) -> None:
    assert (await stage.client.request(method, SCORE)).status_code == 405


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


async def drain(request: ScoringRequest) -> ScoringResponse:
    if not isinstance(request.body, bytes):
        async for _ in request.body:
            pass
    return says()


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


async def test_a_caller_that_leaves_while_the_model_works_ends_the_work(stage: Stage) -> None:
    working, given_up = asyncio.Event(), asyncio.Event()

    async def work(request: ScoringRequest) -> ScoringResponse:
        working.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        raise AssertionError("unreachable")

    stage.answers_with(work)
    async with stage.connection() as (_, writer):
        writer.write(stage.head("Content-Length: 4") + b"body")
        await asyncio.wait_for(working.wait(), PATIENCE)
    await asyncio.wait_for(given_up.wait(), PATIENCE)
    assert (await stage.record()).code == 499
    assert stage.under_way == 0


async def test_a_caller_that_leaves_in_its_body_ends_the_request(stage: Stage) -> None:
    begun = asyncio.Event()

    async def take(request: ScoringRequest) -> ScoringResponse:
        assert not isinstance(request.body, bytes)
        async for _ in request.body:
            begun.set()
        raise AssertionError("the body never ended")

    stage.answers_with(take)
    async with stage.connection() as (_, writer):
        writer.write(stage.head("Content-Length: 100000") + b"x" * 1000)
        await asyncio.wait_for(begun.wait(), PATIENCE)
    assert (await stage.record()).code == 499
    assert stage.under_way == 0


async def test_a_caller_that_leaves_a_streamed_answer_closes_it(stage: Stage) -> None:
    closed = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0)
        finally:
            closed.set()

    stage.scorer.script = lambda instance, request: says(body=events())
    async with stage.connection() as (reader, writer):
        writer.write(stage.head("Content-Length: 1") + b"x")
        await asyncio.wait_for(reader.readuntil(b"tick\n"), PATIENCE)
    await asyncio.wait_for(closed.wait(), PATIENCE)
    assert (await stage.record()).code == 499
    assert stage.under_way == 0


@pytest.mark.parametrize("length", [4, 100_000])
async def test_a_caller_that_stops_in_its_body_is_408(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(caller, "STALL_LIMIT", 0.05)
    stage.answers_with(drain)
    async with stage.connection() as (reader, writer):
        writer.write(stage.head(f"Content-Length: {length}") + b"bo")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        assert head.startswith(b"HTTP/1.1 408 ")
    assert stage.under_way == 0


def is_watched() -> bool:
    """Whether somebody waits for the caller to leave."""
    return caller.WATCH in (task.get_name() for task in asyncio.all_tasks())


async def test_a_slow_answer_comes_through_though_the_caller_is_watched(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "LOOK_AFTER", 0.001)

    async def slow(request: ScoringRequest) -> ScoringResponse:
        await eventually(is_watched, "the caller is watched")
        await asyncio.sleep(0)
        return says(body=b"slow")

    stage.answers_with(slow)
    for _ in range(3):  # on one connection: nothing of a watch may outlive its request
        assert (await stage.client.post(SCORE, content=b"x")).content == b"slow"
        assert (await stage.client.get(SCORE)).content == b"slow"
    assert {record.code for record in stage.records} == {200}


async def test_a_host_that_stops_cancels_a_request_as_ever(stage: Stage) -> None:
    async def receive() -> None:
        await asyncio.Event().wait()

    async def wait() -> None:
        with Caller(receive, announces_body=False):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_streamed_answer_that_breaks_off_cuts_the_connection(stage: Stage) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        raise BrokenOff(Break.INSTANCE_LOST, "gone")

    stage.scorer.script = lambda instance, request: says(body=pieces())
    with pytest.raises(httpx.RemoteProtocolError):
        await stage.client.post(SCORE)
    assert stage.under_way == 0


async def test_our_openapi_document_tells_of_every_scoring_function(
    stage: Stage, routes: Routes
) -> None:
    told = {(d.function, d.method, d.route) for d in routes.described}
    assert told == {
        ("score_online_endpoint", "POST", "endpoints/{endpoint}/score"),
        ("score_online_endpoint_by_host", "POST", "score"),
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
