"""Bodies on their way, in and out, and callers that leave or stall within them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.ports import Break, BrokenOff, InstanceLost, ScoringRequest, ScoringResponse
from domain.scoring.scoring_bodies import StreamedAnswer
from domain.scoring.scoring_exchange import CallerGone, CallerStalled
from tests.domain.scoring.passing import Body, Stage, pieces_of, sent_header
from tests.kit.scorers import says


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
        body=pieces_of(b"half", BrokenOff(Break.INSTANCE_LOST, "gone"))
    )
    answer = await stage.score()
    assert isinstance(answer.body, StreamedAnswer)
    assert await anext(answer.body) == b"half"
    with pytest.raises(BrokenOff):
        await anext(answer.body)
    assert stage.under_way == 0
    assert len(stage.records) == 1
