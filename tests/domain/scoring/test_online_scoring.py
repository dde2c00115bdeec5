"""The scoring path's rules: the way through, and how it ends badly."""

import json
from collections.abc import AsyncIterator

import pytest

from domain.ports import ScoringRequest, ScoringResponse
from domain.scoring.scoring_bodies import StreamedAnswer
from tests.domain.scoring.passing import Body, Stage, header, pieces_of
from tests.kit.scorers import says


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
