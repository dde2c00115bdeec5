"""What is told of a request that has ended."""

from collections.abc import AsyncIterator

import pytest

from domain.ports import Instance, ScoringRequest, ScoringResponse
from domain.scoring.request_record import Fault
from domain.scoring.scoring_bodies import StreamedAnswer
from domain.scoring.scoring_exchange import CallerStalled
from tests.domain.scoring.passing import Body, Stage
from tests.kit.scorers import says
from tests.kit.stages.scoring_stage import PRIMARY


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


async def test_a_streamed_answer_is_told_with_its_first_byte_and_its_duration(
    stage: Stage,
) -> None:
    async def tokens() -> AsyncIterator[bytes]:
        stage.time.move(0.5)
        yield b"one"
        stage.time.move(2)
        yield b"two"

    def answer(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        stage.time.move(0.25)
        return says(200, tokens())

    stage.scorer.script = answer
    found = await stage.score(b"1")
    assert isinstance(found.body, StreamedAnswer)
    assert [piece async for piece in found.body] == [b"one", b"two"]
    assert stage.record.streamed == (0.75, 2.5)
    assert (stage.record.model_seconds, stage.record.total_seconds) == (0.25, 2.75)


async def test_an_answer_that_came_whole_was_not_streamed(stage: Stage) -> None:
    stage.scorer.script = lambda instance, request: says(200, b"[1]")
    await stage.score(b"1")
    assert stage.record.streamed is None
    assert not stage.record.non_finite


async def test_an_answer_without_a_number_is_told(stage: Stage) -> None:
    stage.scorer.script = lambda instance, request: says(
        200, b"[null]", [("content-type", "application/json"), ("x-ms-run-non-finite", "True")]
    )
    await stage.score(b"1")
    assert stage.record.non_finite


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (200, None),
        (204, None),
        (302, Fault.DEPLOYMENT),
        (400, Fault.CALLER),
        (415, Fault.CALLER),
        (422, Fault.CALLER),
        (408, Fault.DEPLOYMENT),
        (429, Fault.DEPLOYMENT),
        (500, Fault.DEPLOYMENT),
        (503, Fault.DEPLOYMENT),
    ],
)
async def test_a_model_that_refuses_has_a_caller_at_fault(
    stage: Stage, status: int, fault: Fault | None
) -> None:
    stage.scorer.script = lambda instance, request: says(status, b"so it is")
    await stage.score(b"1")
    assert stage.record.fault is fault


async def test_whose_fault_a_refusal_is(stage: Stage) -> None:
    await stage.score(key="wrong")
    await stage.score(deployment="none")
    await stage.score(Body(b"a", CallerStalled()), headers=[("content-length", "9")])
    stage.scorer.script = lambda instance, request: TimeoutError()
    await stage.score()
    stage.store.broken = True
    stage.clock.move(3600)
    await stage.score()
    assert [record.fault for record in stage.records] == [
        Fault.CALLER,
        Fault.CALLER,
        Fault.CALLER,
        Fault.DEPLOYMENT,
        Fault.GATEWAY,
    ]
