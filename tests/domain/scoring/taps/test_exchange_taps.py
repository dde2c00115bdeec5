"""What a tap hears of an exchange: what was asked, what was answered, how it ended; and that
none can harm a request."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from domain.ports import Break, BrokenOff, ScoringRequest, ScoringResponse
from domain.scoring.exchange_taps import Tap
from domain.scoring.request_record import Ending, Fault, Listener, RequestRecord
from domain.scoring.route import Route
from domain.scoring.scoring_bodies import Missing, StreamedAnswer
from domain.scoring.scoring_exchange import CallerGone, Exchange
from tests.domain.scoring.passing import Body, Stage, header, pieces_of
from tests.domain.scoring.taps.tapping import Collector
from tests.kit.scorers import says
from tests.kit.waiting import patience

CHUNKED = [("transfer-encoding", "chunked")]


async def echo(request: ScoringRequest) -> ScoringResponse:
    """Takes the body as it comes and says it in two pieces."""
    body = request.body
    whole = body if isinstance(body, bytes) else b"".join([piece async for piece in body])
    return says(body=pieces_of(whole, b"!"))


async def read(body: bytes | StreamedAnswer) -> bytes:
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body])


async def test_a_plain_exchange_is_heard_whole(stage: Stage, collector: Collector) -> None:
    stage.scorer.script = lambda instance, request: says(201, b"[1]")
    answer = await stage.score(b"[5.1]", headers=[("x-request-id", "an-id")])
    heard = collector.only
    assert (heard.asked, heard.answered, heard.status) == (b"[5.1]", b"[1]", 201)
    assert heard.deployment == header(answer, "azureml-model-deployment")
    assert heard.by_split
    assert heard.correlation_id == "an-id"
    assert (heard.record.ending, heard.record.code) == (Ending.ANSWERED, 201)
    assert stage.record is heard.record


async def test_a_streamed_exchange_is_heard_when_its_last_piece_has_gone(
    stage: Stage, collector: Collector
) -> None:
    stage.scorer.script = lambda instance, request: echo(request)
    answer = await stage.score(Body(b"a", b"b"), headers=CHUNKED)
    assert isinstance(answer.body, StreamedAnswer)
    assert await anext(answer.body) == b"ab"
    assert not collector.heard
    assert [piece async for piece in answer.body] == [b"!"]
    heard = collector.only
    assert (heard.asked, heard.answered) == (b"ab", b"ab!")
    assert (heard.record.ending, heard.record.code) == (Ending.ANSWERED, 200)


async def test_a_model_s_own_failure_is_an_answer(stage: Stage, collector: Collector) -> None:
    stage.scorer.script = lambda instance, request: says(500, b"no")
    await stage.score(b"1", deployment="green")
    heard = collector.only
    assert not heard.by_split
    assert (heard.answered, heard.status) == (b"no", 500)
    assert (heard.record.ending, heard.record.code) == (Ending.ANSWERED, 424)


async def test_a_refusal_is_heard_with_what_was_asked(stage: Stage, collector: Collector) -> None:
    stage.compute.start("iris", "green", 0)
    await stage.score(b"1", deployment="green")
    heard = collector.only
    assert (heard.asked, heard.answered, heard.status) == (b"1", Missing.INCOMPLETE, None)
    assert (heard.record.ending, heard.record.code) == (Ending.REFUSED, 424)
    assert heard.record.reason == "ModelNotReady"


@pytest.mark.parametrize(("key", "endpoint"), [("wrong", "iris"), (None, "tulips")])
async def test_what_is_refused_before_it_has_a_deployment_is_for_listeners_alone(
    stage: Stage, collector: Collector, key: str | None, endpoint: str
) -> None:
    await stage.score(b"1", key=key, endpoint=endpoint)
    assert not collector.offered
    assert stage.record.ending is Ending.REFUSED


async def test_a_timeout_is_heard_as_the_refusal_that_it_is(
    stage: Stage, collector: Collector
) -> None:
    stage.scorer.script = lambda instance, request: TimeoutError()
    await stage.score(b"1")
    heard = collector.only
    assert (heard.asked, heard.answered) == (b"1", Missing.INCOMPLETE)
    assert (heard.record.ending, heard.record.reason) == (Ending.REFUSED, "RequestTimeout")


async def test_a_caller_that_leaves_within_its_body_is_heard(
    stage: Stage, collector: Collector
) -> None:
    stage.scorer.script = lambda instance, request: echo(request)
    with pytest.raises(CallerGone):
        await stage.score(Body(b"a", CallerGone()), headers=CHUNKED)
    heard = collector.only
    assert (heard.asked, heard.answered) == (Missing.INCOMPLETE, Missing.INCOMPLETE)
    assert (heard.record.ending, heard.record.code) == (Ending.CALLER_GONE, 499)


async def test_a_caller_that_does_not_wait_is_heard(stage: Stage, collector: Collector) -> None:
    begun = asyncio.Event()

    async def work() -> ScoringResponse:
        begun.set()
        await asyncio.Event().wait()
        return says()

    stage.scorer.script = lambda instance, request: work()
    task = asyncio.create_task(stage.score(b"1"))
    async with patience():
        await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    heard = collector.only
    assert (heard.asked, heard.record.ending) == (b"1", Ending.CALLER_GONE)


async def test_a_caller_that_leaves_a_stream_is_heard_once(
    stage: Stage, collector: Collector
) -> None:
    stage.scorer.script = lambda instance, request: echo(request)
    answer = await stage.score(b"1")
    assert isinstance(answer.body, StreamedAnswer)
    await anext(answer.body)
    await answer.body.aclose()
    await answer.body.aclose()
    heard = collector.only
    assert heard.answered is Missing.INCOMPLETE
    assert (heard.record.ending, heard.record.code) == (Ending.CALLER_GONE, 499)
    assert heard.record.response_bytes == 1


@pytest.mark.parametrize(
    ("broken_by", "code", "reason"),
    [
        (BrokenOff(Break.INSTANCE_LOST, "gone"), 502, "AnswerLost"),
        (BrokenOff(Break.TIME_LIMIT, "late"), 408, "AnswerTimeout"),
        (BrokenOff(Break.CUT_OFF, "raised"), 424, "AnswerCutOff"),
        (OSError(), 424, "AnswerCutOff"),
    ],
)
async def test_a_stream_that_breaks_is_an_end_of_its_own(
    stage: Stage, collector: Collector, broken_by: Exception, code: int, reason: str
) -> None:
    stage.scorer.script = lambda instance, request: says(body=pieces_of(b"half", broken_by))
    answer = await stage.score(b"1")
    with pytest.raises(type(broken_by)):
        await read(answer.body)
    heard = collector.only
    assert heard.answered is Missing.INCOMPLETE
    assert (heard.record.ending, heard.record.response_bytes) == (Ending.BROKEN_OFF, 4)
    assert (heard.record.code, heard.record.reason) == (code, reason)
    assert (heard.record.model_status, heard.record.model_reason) == (200, "model_error")
    assert heard.record.fault is Fault.DEPLOYMENT


async def test_a_fault_of_our_own_is_heard(stage: Stage, collector: Collector) -> None:
    stage.scorer.script = lambda instance, request: RuntimeError("a fault inside")
    with pytest.raises(RuntimeError):
        await stage.score(b"1")
    assert (collector.only.record.ending, collector.only.record.code) == (Ending.FAILED, 500)


async def test_each_tap_gets_bodies_up_to_its_own_bound_and_the_caller_all(stage: Stage) -> None:
    small, large = Collector(limit=4), Collector(limit=100)
    stage.tap(small, large)
    stage.scorer.script = lambda instance, request: echo(request)
    for body in (Body(b"1234", b"56"), b"123456"):
        headers = CHUNKED if isinstance(body, Body) else []
        assert await read((await stage.score(body, headers=headers)).body) == b"123456!"
    for heard in small.heard:
        assert (heard.asked, heard.answered) == (Missing.TOO_LARGE, Missing.TOO_LARGE)
    for heard in large.heard:
        assert (heard.asked, heard.answered) == (b"123456", b"123456!")
    assert len(small.heard) == len(large.heard) == 2


async def test_a_body_that_is_declared_larger_than_anybody_s_bound_is_not_kept_at_all(
    stage: Stage, collector: Collector
) -> None:
    pieces = pieces_of(b"x" * 70_000)
    taken: list[object] = []

    class Declared(Body):
        def pieces(self) -> AsyncIterator[bytes]:
            return pieces

    async def take(request: ScoringRequest) -> ScoringResponse:
        assert not isinstance(request.body, bytes)
        taken.extend([len(piece) async for piece in request.body])
        return says(body=b"1")

    stage.scorer.script = lambda instance, request: take(request)
    await stage.score(Declared(), headers=[("content-length", "70000")])
    assert taken == [70_000]
    assert collector.only.asked is Missing.TOO_LARGE


class Holding(Tap):
    """Its listeners hold their exchange, bodies and all."""

    class Listening:
        def __init__(self, exchange: Exchange) -> None:
            self.exchange = exchange

        def __call__(self, record: RequestRecord) -> None:
            assert self.exchange.request_body(1000) == b"1"

    def __init__(self) -> None:
        self.listening: list[weakref.ref[Holding.Listening]] = []

    def wants(self, route: Route) -> bool:
        return True

    def listen(self, exchange: Exchange) -> Listener | None:
        exchange.keep_request(1000)
        listening = Holding.Listening(exchange)
        self.listening.append(weakref.ref(listening))
        return listening


async def test_what_was_kept_goes_with_the_exchange_and_not_with_the_garbage(stage: Stage) -> None:
    holding = Holding()
    stage.tap(holding)
    stage.scorer.script = lambda instance, request: echo(request)
    gc.disable()
    try:
        for body in (b"1", Body(b"1")):
            headers = CHUNKED if isinstance(body, Body) else []
            await read((await stage.score(body, headers=headers)).body)
        assert [listening() for listening in holding.listening] == [None, None]
    finally:
        gc.enable()
