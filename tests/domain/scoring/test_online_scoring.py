"""The scoring path's rules, on a real store and scripted instances."""

import asyncio
import itertools
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.ground.access import AuthMode
from domain.ground.keys import KeyType
from domain.ground.provisioning_state import ProvisioningState
from domain.ports import Instance, InstanceLost, ScoringRequest, ScoringResponse
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import RouteTable
from domain.scoring.outliers import Outliers
from domain.scoring.request_record import RequestRecord
from domain.scoring.scoring_bodies import StreamedAnswer
from domain.scoring.scoring_exchange import (
    SCORE,
    SWAGGER,
    Answer,
    Call,
    CallerGone,
    CallerStalled,
    RequestBody,
)
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.clocks import HeldClock, hold_durations
from tests.kit.scoring_stage import (
    PRIMARY,
    SECONDARY,
    Endpoints,
    ScriptedScorer,
    StaticServing,
    WatchedStore,
    says,
    scoring_on,
)
from tests.kit.waiting import PATIENCE, patience

GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Body(RequestBody):
    """A caller's body in the given pieces; an exception among them is raised in its place."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces
        self.read = 0

    async def whole(self) -> bytes:
        return b"".join([piece async for piece in self.pieces()])

    async def pieces(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            self.read += 1
            yield piece


async def pieces_of(*pieces: bytes | Exception) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        yield piece


@dataclass
class Stage:
    """One endpoint `iris` with `blue` at 90 % and `green` at 10 %, an instance each."""

    store: WatchedStore
    endpoints: Endpoints
    clock: HeldClock
    compute: StaticServing
    scorer: ScriptedScorer
    time: HeldClock

    def __post_init__(self) -> None:
        self.records: list[RequestRecord] = []
        self.instances = InstanceChoice(self.compute, Outliers())
        self.routes = RouteTable(self.store, self.clock, read_limit=PATIENCE)
        self.scoring = scoring_on(
            self.routes,
            self.compute,
            self.scorer,
            self.records.append,
            instances=self.instances,
            max_request_bytes=1000_000,
        )

    async def score(
        self,
        body: bytes | RequestBody = b"",
        *,
        endpoint: str = "iris",
        headers: Iterable[tuple[str, str]] = (),
        key: str | None = PRIMARY,
        deployment: str | None = None,
        path: str = SCORE,
        method: str = "POST",
        query: str = "",
    ) -> Answer:
        sent = list(headers)
        if key is not None:
            sent.append(("authorization", f"Bearer {key}"))
        if deployment is not None:
            sent.append(("azureml-model-deployment", deployment))
        if isinstance(body, bytes):
            if body:
                sent.append(("content-length", str(len(body))))
            body = Body(body)
        return await self.scoring.score(Call(endpoint, method, path, query, sent, body))

    @property
    def request(self) -> ScoringRequest:
        """The latest one that an instance got."""
        return self.scorer.asked[-1][1]

    @property
    def record(self) -> RequestRecord:
        """The only one so far."""
        [record] = self.records
        return record

    @property
    def under_way(self) -> int:
        return self.instances.under_way


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    real = SqliteResourceStore(tmp_path / "documents.db")
    store = WatchedStore(real)
    endpoints = Endpoints(store)
    await endpoints.put("iris", {"blue": 90, "green": 10})
    compute = StaticServing()
    for name in ("blue", "green"):
        await endpoints.put_deployment("iris", name)
        compute.start("iris", name)
    time = hold_durations(monkeypatch)
    yield Stage(store, endpoints, HeldClock(), compute, ScriptedScorer(), time)
    await real.close()


def header(answer: Answer, name: str) -> str | None:
    found = [value for key, value in answer.headers if key == name]
    assert len(found) < 2, f"{name} stands there {len(found)} times"
    return found[0] if found else None


def sent_header(request: ScoringRequest, name: str) -> list[str]:
    return [value for key, value in request.headers if key == name]


# -- the way through ----------------------------------------------------------------------


async def test_a_request_reaches_an_instance_untouched_and_its_answer_comes_back(
    stage: Stage,
) -> None:
    stage.scorer.script = lambda instance, request: says(
        201, b"\x00\xffanswer", [("content-type", "application/x-model")]
    )
    answer = await stage.score(
        b"\x00\xfebody",
        headers=[("content-type", "image/png"), ("accept", "x/y"), ("cookie", "a=b")],
        query="a=1&b=%20&c",
    )
    request = stage.request
    assert (request.method, request.path, request.query) == ("POST", "/score", "a=1&b=%20&c")
    assert request.body == b"\x00\xfebody"
    assert ("content-type", "image/png") in request.headers
    assert ("accept", "x/y") in request.headers
    assert ("cookie", "a=b") in request.headers
    assert (answer.status, answer.body) == (201, b"\x00\xffanswer")
    assert header(answer, "content-type") == "application/x-model"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_request_without_a_body_has_none(stage: Stage, method: str) -> None:
    await stage.score(method=method)
    assert stage.request.method == method
    assert stage.request.body == b""


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
async def test_every_success_of_the_container_passes_as_it_is(stage: Stage, status: int) -> None:
    stage.scorer.script = lambda instance, request: says(status)
    answer = await stage.score()
    assert answer.status == status
    assert header(answer, "ms-azureml-model-error-statuscode") is None
    assert header(answer, "ms-azureml-model-error-reason") is None


async def test_no_store_is_read_while_the_route_is_fresh(stage: Stage) -> None:
    await stage.score()
    reads = stage.store.gets + stage.store.queries
    for _ in range(50):
        await stage.score()
    assert stage.store.gets + stage.store.queries == reads


async def test_the_instance_has_the_deployment_s_time_limit(stage: Stage) -> None:
    await stage.endpoints.put_deployment("iris", "green", timeout=0.75)
    await stage.score(deployment="green")
    assert stage.scorer.asked[-1][2] == 0.75


# -- who may ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [PRIMARY, SECONDARY])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_either_key_opens_the_endpoint(stage: Stage, key: str, scheme: str) -> None:
    answer = await stage.score(key=None, headers=[("authorization", f"{scheme} {key}")])
    assert answer.status == 200


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {PRIMARY}",
        PRIMARY,
        f"Bearer {PRIMARY}x",
        f"Bearer {PRIMARY[:-1]}",
        f"Bearer {PRIMARY} {PRIMARY}",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 50_000,
    ],
)
async def test_whatever_is_no_key_of_the_endpoint_is_401(stage: Stage, value: str | None) -> None:
    headers = [] if value is None else [("authorization", value)]
    answer = await stage.score(b"body", key=None, headers=headers)
    assert answer.status == 401
    assert header(answer, "www-authenticate") == "Bearer"
    assert not stage.scorer.asked
    assert stage.record.code == 401


async def test_two_credentials_are_none(stage: Stage) -> None:
    answer = await stage.score(headers=[("authorization", "Bearer wrong")])
    assert answer.status == 401


async def test_another_endpoint_s_key_is_401(stage: Stage) -> None:
    await stage.endpoints.put("tulips", {})
    await stage.endpoints.rotate("tulips", KeyType.PRIMARY, "the-key-of-the-tulips")
    assert (await stage.score(key="the-key-of-the-tulips")).status == 401


@pytest.mark.parametrize("mode", [AuthMode.AML_TOKEN, AuthMode.AAD_TOKEN])
async def test_a_key_opens_no_endpoint_of_another_auth_mode(stage: Stage, mode: AuthMode) -> None:
    await stage.endpoints.put("iris", {"blue": 100}, auth_mode=mode)
    answer = await stage.score()
    assert answer.status == 401
    assert answer.refusal is not None
    assert mode.value in answer.refusal.message


async def test_a_body_is_not_read_for_one_without_a_key(stage: Stage) -> None:
    body = Body(b"x")
    await stage.score(body, key="wrong", headers=[("content-length", "1")])
    assert body.read == 0


async def test_a_rotated_key_is_refused_within_two_seconds_and_the_other_goes_on(
    stage: Stage,
) -> None:
    assert (await stage.score()).status == 200
    stage.clock.move(0.9)
    await stage.endpoints.rotate("iris", KeyType.PRIMARY, "a-key-of-another-day")
    stage.clock.move(2)
    assert (await stage.score()).status == 401
    assert (await stage.score(key="a-key-of-another-day")).status == 200
    assert (await stage.score(key=SECONDARY)).status == 200


async def test_refusals_name_no_key(stage: Stage) -> None:
    answer = await stage.score(key="a-secret-that-is-wrong")
    assert answer.refusal is not None
    said = f"{answer.refusal.message} {answer.headers}"
    assert "a-secret" not in said
    assert PRIMARY not in said


# -- where to -----------------------------------------------------------------------------


async def test_the_split_is_exact(stage: Stage) -> None:
    chosen = Counter([(await stage.score()).body for _ in range(1000)])
    assert chosen == {b"blue-0": 900, b"green-0": 100}


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cuts=st.lists(st.integers(0, 100), min_size=0, max_size=19), rounds=st.integers(1, 2))
async def test_the_split_is_exact_over_any_number_of_deployments(
    stage: Stage, cuts: list[int], rounds: int
) -> None:
    edges = [0, *sorted(cuts), 100]
    traffic = {f"part{i}": b - a for i, (a, b) in enumerate(itertools.pairwise(edges))}
    name = f"split{len(stage.compute.ready)}"
    await stage.endpoints.put(name, traffic)
    for deployment in traffic:
        await stage.endpoints.put_deployment(name, deployment)
        stage.compute.start(name, deployment)
    chosen: Counter[str] = Counter()
    for _ in range(100 * rounds):
        answer = await stage.score(endpoint=name)
        chosen[header(answer, "azureml-model-deployment") or ""] += 1
    assert chosen == {key: percent * rounds for key, percent in traffic.items() if percent}


@pytest.mark.parametrize("named", ["green", "GREEN", " green "])
async def test_a_caller_can_name_a_deployment(stage: Stage, named: str) -> None:
    for _ in range(20):
        answer = await stage.score(deployment=named)
        assert answer.body == b"green-0"
        assert header(answer, "azureml-model-deployment") == "green"


async def test_a_named_deployment_needs_no_traffic(stage: Stage) -> None:
    await stage.endpoints.change("iris", traffic={"blue": 100})
    assert (await stage.score(deployment="green")).body == b"green-0"


async def test_a_named_deployment_takes_no_turn_of_the_split(stage: Stage) -> None:
    chosen: Counter[bytes | StreamedAnswer] = Counter()
    for _ in range(100):
        await stage.score(deployment="green")
        chosen[(await stage.score()).body] += 1
    assert chosen == {b"blue-0": 90, b"green-0": 10}


async def test_an_unknown_deployment_is_404_with_the_names_there_are(stage: Stage) -> None:
    answer = await stage.score(deployment="reddish")
    assert answer.status == 404
    assert answer.refusal is not None
    assert answer.refusal.code == "DeploymentNotFound"
    assert "blue, green" in answer.refusal.message
    assert not stage.scorer.asked


async def test_the_names_there_are_need_a_key(stage: Stage) -> None:
    answer = await stage.score(deployment="reddish", key="wrong")
    assert answer.status == 401
    assert answer.refusal is not None
    assert "blue" not in answer.refusal.message


async def test_an_empty_deployment_header_names_nothing(stage: Stage) -> None:
    assert (await stage.score(deployment="")).status == 200


async def test_no_positive_traffic_is_404(stage: Stage) -> None:
    await stage.endpoints.change("iris", traffic={"blue": 0})
    answer = await stage.score()
    assert answer.status == 404
    assert answer.refusal is not None
    assert answer.refusal.code == "NoRoute"


@pytest.mark.parametrize("name", ["tulips", "no/such", "", "x" * 3000])
async def test_an_unknown_endpoint_is_404(stage: Stage, name: str) -> None:
    answer = await stage.score(endpoint=name)
    assert answer.status == 404
    assert answer.refusal is not None
    assert answer.refusal.code == "EndpointNotFound"
    assert len(answer.refusal.message) < 200


async def test_an_endpoint_being_deleted_is_404(stage: Stage) -> None:
    await stage.endpoints.move("iris", ProvisioningState.DELETING)
    assert (await stage.score()).status == 404


async def test_endpoint_names_are_case_insensitive(stage: Stage) -> None:
    assert (await stage.score(endpoint="IRIS")).status == 200


async def test_the_openapi_document_comes_from_the_busiest_and_takes_no_turn(
    stage: Stage,
) -> None:
    for _ in range(30):
        answer = await stage.score(path=SWAGGER, method="GET", query="version=3")
        assert answer.body == b"blue-0"
    assert (stage.request.path, stage.request.query) == ("/swagger.json", "version=3")
    chosen = Counter([(await stage.score()).body for _ in range(100)])
    assert chosen == {b"blue-0": 90, b"green-0": 10}
    named = await stage.score(path=SWAGGER, method="GET", deployment="green")
    assert named.body == b"green-0"
    assert (await stage.score(path=SWAGGER, method="GET", key="wrong")).status == 401


# -- which instance -----------------------------------------------------------------------


async def test_idle_instances_take_turns(stage: Stage) -> None:
    stage.compute.start("iris", "green", 3)
    chosen = Counter([(await stage.score(deployment="green")).body for _ in range(30)])
    assert chosen == {b"green-0": 10, b"green-1": 10, b"green-2": 10}


async def test_a_split_and_the_turn_of_instances_do_not_beat_together(stage: Stage) -> None:
    await stage.endpoints.change("iris", traffic={"blue": 50, "green": 50})
    for name in ("blue", "green"):
        stage.compute.start("iris", name, 2)
    chosen = Counter([(await stage.score()).body for _ in range(100)])
    assert set(chosen.values()) == {25}


async def test_the_instance_with_the_fewest_requests_under_way_is_chosen(stage: Stage) -> None:
    stage.compute.start("iris", "green", 3)
    leave = asyncio.Event()
    all_wait = asyncio.Event()

    async def wait(instance: Instance) -> ScoringResponse:
        if len(stage.scorer.asked) == 9:
            all_wait.set()
        await leave.wait()
        return says(body=instance.id.encode())

    stage.scorer.script = lambda instance, request: wait(instance)
    waiting = [asyncio.create_task(stage.score(deployment="green")) for _ in range(9)]
    async with patience():
        await all_wait.wait()
    assert set(Counter(i.id for i, _, _ in stage.scorer.asked).values()) == {3}
    leave.set()
    await asyncio.gather(*waiting)
    assert stage.under_way == 0


async def test_a_deployment_with_no_ready_instance_is_424_model_not_ready(stage: Stage) -> None:
    stage.compute.start("iris", "green", 0)
    answer = await stage.score(deployment="green")
    assert answer.status == 424
    assert header(answer, "ms-azureml-model-error-reason") == "model_not_ready"
    assert header(answer, "retry-after") == "1"
    assert header(answer, "azureml-model-deployment") == "green"
    assert answer.refusal is not None
    assert "Succeeded" in answer.refusal.message


async def test_a_lost_instance_that_saw_nothing_is_replaced_by_another_once(stage: Stage) -> None:
    stage.compute.start("iris", "green", 2)
    dead = stage.compute.ready["online/iris/green"][0]
    stage.scorer.script = lambda instance, request: (
        InstanceLost("gone", sent=False) if instance == dead else says(body=b"fine")
    )
    for _ in range(4):
        answer = await stage.score(b"body", deployment="green")
        assert (answer.status, answer.body) == (200, b"fine")
    assert stage.under_way == 0


@pytest.mark.parametrize("instances", [1, 2, 5])
async def test_no_more_than_two_instances_are_tried(stage: Stage, instances: int) -> None:
    stage.compute.start("iris", "green", instances)
    stage.scorer.script = lambda instance, request: InstanceLost("gone", sent=False)
    answer = await stage.score(b"body", deployment="green")
    assert answer.status == 424
    assert header(answer, "ms-azureml-model-error-reason") == "model_not_ready"
    assert len(stage.scorer.asked) == min(instances, 2)
    assert stage.under_way == 0


async def test_a_request_an_instance_may_have_seen_is_never_sent_twice(stage: Stage) -> None:
    stage.compute.start("iris", "green", 2)
    stage.scorer.script = lambda instance, request: InstanceLost("It was cut.", sent=True)
    answer = await stage.score(b"body", deployment="green")
    assert answer.status == 502
    assert answer.refusal is not None
    assert "It was cut." in answer.refusal.message
    assert len(stage.scorer.asked) == 1
    assert stage.under_way == 0


async def test_a_streamed_body_that_was_begun_is_not_sent_twice(stage: Stage) -> None:
    stage.compute.start("iris", "green", 2)

    async def take_one(request: ScoringRequest) -> ScoringResponse:
        assert not isinstance(request.body, bytes)
        await anext(request.body)
        raise InstanceLost("gone", sent=False)

    stage.scorer.script = lambda instance, request: take_one(request)
    answer = await stage.score(
        Body(b"one", b"two"), deployment="green", headers=[("transfer-encoding", "chunked")]
    )
    assert answer.status == 502
    assert len(stage.scorer.asked) == 1


# -- how it ends badly --------------------------------------------------------------------


async def test_a_timeout_is_408_and_names_limit_and_setting(stage: Stage) -> None:
    await stage.endpoints.put_deployment("iris", "green", timeout=0.25)
    stage.scorer.script = lambda instance, request: TimeoutError()
    answer = await stage.score(b"body", deployment="green")
    assert answer.status == 408
    assert answer.refusal is not None
    assert "request_timeout_ms of 250" in answer.refusal.message
    assert answer.refusal.limit == {"request_timeout_ms": 250}
    assert stage.under_way == 0


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_failure_that_comes_when_the_time_is_up_is_the_timeout(
    stage: Stage, status: int, streamed: bool
) -> None:
    await stage.endpoints.put_deployment("iris", "green", timeout=0.02)

    async def overrun() -> ScoringResponse:
        stage.time.move(0.03)
        body = b"late"
        return says(status, pieces_of(body) if streamed else body)

    stage.scorer.script = lambda instance, request: overrun()
    answer = await stage.score(b"body", deployment="green")
    assert answer.status == (200 if status == 200 else 408)
    if isinstance(answer.body, StreamedAnswer):
        await answer.body.aclose()
    assert stage.under_way == 0


async def test_the_time_a_caller_takes_to_send_its_body_is_not_the_model_s(stage: Stage) -> None:
    await stage.endpoints.put_deployment("iris", "green", timeout=0.02)

    class Slow(Body):
        async def pieces(self) -> AsyncIterator[bytes]:
            yield b"a"
            stage.time.move(0.03)
            yield b"b"

    async def take(request: ScoringRequest) -> ScoringResponse:
        assert not isinstance(request.body, bytes)
        async for _ in request.body:
            pass
        return says(500)

    stage.scorer.script = lambda instance, request: take(request)
    answer = await stage.score(
        Slow(), deployment="green", headers=[("transfer-encoding", "chunked")]
    )
    assert answer.status == 424


@pytest.mark.parametrize("status", [301, 304, 400, 404, 408, 413, 424, 429, 500, 502, 503])
async def test_any_other_answer_of_the_container_is_424_with_its_body(
    stage: Stage, status: int
) -> None:
    stage.scorer.script = lambda instance, request: says(
        status,
        b"\xffnot so\x00",
        [("content-type", "text/odd"), ("x-ms-run-function-failed", "True")],
    )
    answer = await stage.score(b"body")
    assert (answer.status, answer.body, answer.refusal) == (424, b"\xffnot so\x00", None)
    assert header(answer, "ms-azureml-model-error-statuscode") == str(status)
    assert header(answer, "ms-azureml-model-error-reason") == "model_error"
    assert header(answer, "content-type") == "text/odd"
    assert header(answer, "x-ms-run-function-failed") == "True"
    assert stage.record.model_status == status
    assert stage.under_way == 0


OVERLOADED = [("ms-azureml-model-error-reason", "too_many_pending_request"), ("retry-after", "3")]


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_overloaded_instance_is_429_with_limit_load_and_when_to_retry(
    stage: Stage, streamed: bool
) -> None:
    await stage.endpoints.put_deployment("iris", "green", max_concurrent=4)
    stage.compute.start("iris", "green", 2)
    told = json.dumps({"in_flight": 4, "queued": 8}).encode()
    stage.scorer.script = lambda instance, request: says(
        429, pieces_of(told) if streamed else told, OVERLOADED
    )
    answer = await stage.score(b"body", deployment="green")
    assert answer.status == 429
    assert header(answer, "retry-after") == "3"
    assert header(answer, "ms-azureml-model-error-reason") == "too_many_pending_request"
    assert header(answer, "ms-azureml-model-error-statuscode") == "429"
    refusal = answer.refusal
    assert refusal is not None
    assert refusal.limit == {"max_concurrent_requests_per_instance": 4, "instances": 2}
    load = refusal.load or {}
    assert load["in_flight"] == 0
    assert load.get("instance") == (None if streamed else {"in_flight": 4, "queued": 8})
    assert refusal.retry_after == 3
    assert len(stage.scorer.asked) == 1
    assert stage.under_way == 0


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'"x"', b"[" * 4000, b"\xff", b"x" * 9000])
@pytest.mark.parametrize("after", ["soon", "-1", "99999", ""])
async def test_an_overloaded_instance_that_explains_nothing_is_429_all_the_same(
    stage: Stage, body: bytes, after: str
) -> None:
    stage.scorer.script = lambda instance, request: says(
        429, body, [OVERLOADED[0], ("retry-after", after)]
    )
    answer = await stage.score()
    assert answer.status == 429
    assert header(answer, "retry-after") == "1"


async def test_a_store_that_is_away_is_503_with_when_to_retry(stage: Stage) -> None:
    await stage.score()
    stage.store.broken = True
    stage.clock.move(2)
    answer = await stage.score()
    assert answer.status == 503
    assert header(answer, "retry-after") == "1"
    assert len(stage.scorer.asked) == 1


async def test_a_fault_of_our_own_is_counted_and_not_hidden(stage: Stage) -> None:
    stage.scorer.script = lambda instance, request: ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await stage.score()
    assert stage.record.code == 500
    assert stage.under_way == 0


# -- bodies -------------------------------------------------------------------------------


async def test_a_small_body_of_known_length_is_passed_whole(stage: Stage) -> None:
    await stage.score(Body(b"a" * 65_535, b"b"), headers=[("content-length", "65536")])
    assert stage.request.body == b"a" * 65_535 + b"b"


@pytest.mark.parametrize(
    "headers", [[("content-length", "65537")], [("transfer-encoding", "chunked")]]
)
async def test_a_big_or_chunked_body_is_passed_as_it_comes(
    stage: Stage, headers: list[tuple[str, str]]
) -> None:
    body = Body(b"a" * 65_000, b"b" * 537)
    seen: list[int] = []

    async def take(request: ScoringRequest) -> ScoringResponse:
        assert not isinstance(request.body, bytes)
        async for piece in request.body:
            seen.append(len(piece))
            assert body.read == len(seen)
        return says()

    stage.scorer.script = lambda instance, request: take(request)
    assert (await stage.score(body, headers=headers)).status == 200
    assert seen == [65_000, 537]
    assert stage.record.request_bytes == 65_537
    assert sent_header(stage.request, "content-length") == (
        ["65537"] if headers[0][0] == "content-length" else []
    )


@pytest.mark.parametrize("length", ["1000001", "9" * 18, "9" * 17])
async def test_a_body_declared_over_the_limit_is_413_unread(stage: Stage, length: str) -> None:
    body = Body(b"x")
    answer = await stage.score(body, headers=[("content-length", length)])
    assert answer.status == 413
    assert answer.refusal is not None
    assert answer.refusal.limit == {"max_request_bytes": 1_000_000}
    assert body.read == 0
    assert not stage.scorer.asked


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    "headers", [[("transfer-encoding", "chunked")], [("content-length", "9" * 4000)]]
)
async def test_a_body_that_turns_out_too_large_is_cut_off_and_413(
    stage: Stage, wrapped: bool, headers: list[tuple[str, str]]
) -> None:
    body = Body(*[b"x" * 100_000] * 100)
    passed = 0

    async def take(request: ScoringRequest) -> ScoringResponse:
        nonlocal passed
        assert not isinstance(request.body, bytes)
        try:
            async for piece in request.body:
                passed += len(piece)
        except Exception:  # as the scorer has it: whatever ends the body
            if wrapped:
                raise InstanceLost("the body broke off", sent=True) from None
            raise
        return says()

    stage.scorer.script = lambda instance, request: take(request)
    answer = await stage.score(body, headers=headers)
    assert answer.status == 413
    assert passed == 1_000_000
    assert body.read == 11
    assert stage.under_way == 0


async def test_a_caller_that_leaves_within_its_body_is_recorded_and_no_answer_made(
    stage: Stage,
) -> None:
    with pytest.raises(CallerGone):
        await stage.score(Body(b"a", CallerGone()), headers=[("content-length", "2")])
    assert stage.record.code == 499
    assert not stage.scorer.asked


async def test_a_caller_that_stops_within_its_body_is_408(stage: Stage) -> None:
    answer = await stage.score(Body(b"a", CallerStalled()), headers=[("content-length", "2")])
    assert answer.status == 408
    assert answer.refusal is not None
    assert answer.refusal.code == "RequestBodyTimeout"


async def test_giving_a_request_up_gives_it_up_at_the_instance(stage: Stage) -> None:
    begun = asyncio.Event()
    ended: list[str] = []

    async def work() -> ScoringResponse:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return says()

    stage.scorer.script = lambda instance, request: work()
    task = asyncio.create_task(stage.score())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled"]
    assert stage.record.code == 499
    assert stage.under_way == 0


async def test_a_streamed_answer_is_passed_as_it_comes(stage: Stage) -> None:
    more = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        yield b"one"
        await more.wait()
        yield b"two"

    stage.scorer.script = lambda instance, request: says(body=events())
    answer = await stage.score()
    assert isinstance(answer.body, StreamedAnswer)
    assert await anext(answer.body) == b"one"
    assert not stage.records
    assert stage.under_way == 1
    more.set()
    assert [piece async for piece in answer.body] == [b"two"]
    assert (stage.record.code, stage.record.response_bytes) == (200, 6)
    assert stage.under_way == 0


async def test_a_failure_s_streamed_body_passes_too(stage: Stage) -> None:
    stage.scorer.script = lambda instance, request: says(500, pieces_of(b"a", b"b"))
    answer = await stage.score()
    assert answer.status == 424
    assert isinstance(answer.body, StreamedAnswer)
    assert [piece async for piece in answer.body] == [b"a", b"b"]
    assert stage.record.code == 424


async def test_leaving_a_streamed_answer_closes_it(stage: Stage) -> None:
    closed: list[bool] = []

    async def events() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick"
        finally:
            closed.append(True)

    stage.scorer.script = lambda instance, request: says(body=events())
    answer = await stage.score()
    assert isinstance(answer.body, StreamedAnswer)
    await anext(answer.body)
    await answer.body.aclose()
    await answer.body.aclose()
    assert closed == [True]
    assert (stage.record.code, stage.record.response_bytes) == (499, 4)
    assert stage.under_way == 0


async def test_a_streamed_answer_that_breaks_off_is_not_made_to_look_whole(stage: Stage) -> None:
    stage.scorer.script = lambda instance, request: says(
        body=pieces_of(b"half", InstanceLost("gone", sent=True))
    )
    answer = await stage.score()
    assert isinstance(answer.body, StreamedAnswer)
    assert await anext(answer.body) == b"half"
    with pytest.raises(InstanceLost):
        await anext(answer.body)
    assert stage.under_way == 0
    assert len(stage.records) == 1


# -- headers ------------------------------------------------------------------------------


async def test_every_answer_carries_the_gateway_s_headers(stage: Stage) -> None:
    answer = await stage.score(headers=[("x-request-id", "mine-1_A")])
    assert header(answer, "azureml-model-deployment") in {"blue", "green"}
    assert header(answer, "x-request-id") == "mine-1_A"
    assert header(answer, "x-ms-request-id") == "mine-1_A"
    assert float(header(answer, "ms-azureml-model-time") or "") >= 0
    assert header(answer, "x-ms-client-request-id") is None
    assert sent_header(stage.request, "x-request-id") == ["mine-1_A"]
    assert sent_header(stage.request, "x-ms-request-id") == ["mine-1_A"]


@pytest.mark.parametrize(
    "value", ["", "a b", "x" * 65, "a\xffb", "<script>", "a,b", "a\r\nb", "../..", "\u00b2"]
)
async def test_a_bad_request_id_is_replaced_by_a_guid(stage: Stage, value: str) -> None:
    answer = await stage.score(headers=[("x-request-id", value), ("x-ms-request-id", value)])
    found = header(answer, "x-request-id") or ""
    assert GUID.fullmatch(found)
    assert sent_header(stage.request, "x-request-id") == [found]
    assert sent_header(stage.request, "x-ms-request-id") == [found]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-DEF_123", "abc-DEF_123"),
        ("a b.c/d", "abcd"),
        ("x" * 41, "x" * 40),
        ("!" * 60 + "y", "y"),
        ("a\u00e9b", "ab"),
    ],
)
async def test_the_caller_s_own_id_is_cleaned_cut_and_given_back(
    stage: Stage, given: str, kept: str
) -> None:
    answer = await stage.score(headers=[("x-ms-client-request-id", given)])
    assert header(answer, "x-ms-client-request-id") == kept
    assert sent_header(stage.request, "x-ms-client-request-id") == [kept]
    assert stage.record.client_request_id == kept


async def test_a_client_id_with_nothing_good_in_it_is_dropped(stage: Stage) -> None:
    answer = await stage.score(headers=[("x-ms-client-request-id", "///")])
    assert header(answer, "x-ms-client-request-id") is None
    assert sent_header(stage.request, "x-ms-client-request-id") == []


async def test_refusals_carry_ids_too(stage: Stage) -> None:
    answer = await stage.score(
        key="wrong", headers=[("x-request-id", "r1"), ("x-ms-client-request-id", "c1")]
    )
    assert header(answer, "x-request-id") == "r1"
    assert header(answer, "x-ms-request-id") == "r1"
    assert header(answer, "x-ms-client-request-id") == "c1"
    assert header(answer, "azureml-model-deployment") is None


async def test_credentials_and_hop_by_hop_headers_stay_at_the_gateway(stage: Stage) -> None:
    hop_by_hop = [
        ("connection", "keep-alive, X-Private"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "Basic x"),
        ("proxy-connection", "close"),
        ("expect", "100-continue"),
        ("x-private", "1"),
    ]
    await stage.score(headers=[*hop_by_hop, ("x-public", "2"), ("host", "h")])
    names = {name for name, _ in stage.request.headers}
    assert names == {"x-public", "host", "x-request-id", "x-ms-request-id"}
    assert PRIMARY not in str(stage.request.headers)


async def test_a_length_beside_chunks_is_not_believed(stage: Stage) -> None:
    async def take(request: ScoringRequest) -> ScoringResponse:
        assert not isinstance(request.body, bytes)
        return says(body=b"".join([piece async for piece in request.body]))

    stage.scorer.script = lambda instance, request: take(request)
    answer = await stage.score(
        Body(b"abc"), headers=[("content-length", "1"), ("transfer-encoding", "chunked")]
    )
    assert answer.body == b"abc"
    assert sent_header(stage.request, "content-length") == []


async def test_a_model_cannot_speak_for_the_gateway(stage: Stage) -> None:
    stage.scorer.script = lambda instance, request: says(
        200,
        b"x",
        [
            ("azureml-model-deployment", "fake"),
            ("x-request-id", "fake"),
            ("x-ms-request-id", "fake"),
            ("x-ms-client-request-id", "fake"),
            ("ms-azureml-model-error-reason", "fake"),
            ("ms-azureml-model-error-statuscode", "1"),
            ("ms-azureml-model-time", "0"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("x-split", "a\nset-cookie: evil=1"),
            ("x-null", "a\x00b"),
            ("x-bad\nname", "1"),
            ("x-own", "caf\u00e9\u00a0x\ttab"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ],
    )
    answer = await stage.score(deployment="green")
    assert "fake" not in str(answer.headers)
    assert "evil" not in str(answer.headers)
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert header(answer, "x-own") == "caf\u00e9\u00a0x\ttab"
    names = [name for name, _ in answer.headers]
    assert not {"connection", "transfer-encoding", "x-null", "x-bad\nname"} & set(names)


# -- the record ---------------------------------------------------------------------------


async def test_a_finished_request_is_told_once_with_all_there_is_to_say(stage: Stage) -> None:
    def fail(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        stage.time.move(0.25)
        return says(500, b"oops!")

    stage.scorer.script = fail
    await stage.score(
        b"four",
        deployment="green",
        headers=[
            ("user-agent", "u" * 100),
            ("x-request-id", "r1"),
            ("x-ms-client-request-id", "c1"),
        ],
    )
    record = stage.record
    assert (record.method, record.path) == ("POST", "/score")
    assert (record.endpoint, record.deployment) == ("iris", "green")
    assert (record.code, record.model_status, record.model_reason) == (424, 500, "model_error")
    assert (record.request_bytes, record.response_bytes) == (4, 5)
    assert record.user_agent == "u" * 70
    assert (record.request_id, record.client_request_id) == ("r1", "c1")
    assert record.model_seconds == record.total_seconds == 0.25
    assert PRIMARY not in repr(record)


async def test_a_refused_request_is_told_with_its_reason(stage: Stage) -> None:
    await stage.score(key="wrong")
    assert (stage.record.code, stage.record.reason) == (401, "AuthenticationFailed")
    assert stage.record.model_status is None
