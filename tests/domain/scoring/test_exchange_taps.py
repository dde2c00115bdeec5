"""What a tap hears of an exchange: what was asked, what was answered, how it ended; and that
none can harm a request."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from domain.ports import Break, BrokenOff, ScoringRequest, ScoringResponse
from domain.scoring.exchange_taps import Tap
from domain.scoring.request_record import Ending, Fault, Listener, RequestRecord
from domain.scoring.route import Route
from domain.scoring.scoring_bodies import Missing, StreamedAnswer
from domain.scoring.scoring_exchange import SWAGGER, CallerGone, Exchange
from tests.domain.scoring.passing import Body, Stage, header, pieces_of
from tests.kit.scorers import says
from tests.kit.waiting import patience

CHUNKED = [("transfer-encoding", "chunked")]


@dataclass
class Heard:
    """All that a collector of data would write down of one exchange."""

    deployment: str
    by_split: bool
    correlation_id: str
    asked: bytes | Missing
    answered: bytes | Missing
    status: int | None
    record: RequestRecord


class Collector(Tap):
    """Wants the exchanges of endpoint `iris`, with bodies of up to `limit` bytes."""

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self.heard: list[Heard] = []
        self.offered: list[Exchange] = []
        self.routes: list[Route] = []

    def wants(self, route: Route) -> bool:
        self.routes.append(route)
        return route.endpoint == "iris"

    def listen(self, exchange: Exchange) -> Listener | None:
        self.offered.append(exchange)
        if exchange.call.path == SWAGGER:
            return None
        exchange.keep_request(self.limit)
        exchange.keep_answer(self.limit)

        def ended(record: RequestRecord) -> None:
            assert exchange.deployment is not None
            response = exchange.response
            self.heard.append(
                Heard(
                    deployment=exchange.deployment.name,
                    by_split=exchange.by_split,
                    correlation_id=exchange.headers.request_id,
                    asked=exchange.request_body(self.limit),
                    answered=exchange.answer_body(self.limit),
                    status=None if response is None else response.status,
                    record=record,
                )
            )

        return ended

    @property
    def only(self) -> Heard:
        [heard] = self.heard
        return heard


@pytest.fixture
def collector(stage: Stage) -> Collector:
    collector = Collector()
    stage.tap(collector)
    return collector


async def echo(request: ScoringRequest) -> ScoringResponse:
    """Takes the body as it comes and says it in two pieces."""
    body = request.body
    whole = body if isinstance(body, bytes) else b"".join([piece async for piece in body])
    return says(body=pieces_of(whole, b"!"))


async def read(body: bytes | StreamedAnswer) -> bytes:
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body])


# -- how an exchange ends -----------------------------------------------------------------


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


# -- what is kept of bodies ---------------------------------------------------------------


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


# -- who is offered what ------------------------------------------------------------------


async def test_a_tap_is_asked_for_a_route_once_and_offered_only_what_it_wants(
    stage: Stage, collector: Collector
) -> None:
    await stage.endpoints.put("tulips", {"blue": 100})
    await stage.endpoints.put_deployment("tulips", "blue")
    stage.compute.start("tulips", "blue")
    for _ in range(3):
        for endpoint in ("iris", "tulips"):
            assert (await stage.score(endpoint=endpoint)).status == 200
    assert [route.endpoint for route in collector.routes] == ["iris", "tulips"]
    assert len(collector.offered) == 3
    stage.clock.move(2)
    await stage.score()
    assert len(collector.routes) == 2
    await stage.endpoints.change("iris", traffic={"blue": 100})
    stage.clock.move(2)
    await stage.score()
    assert [route.endpoint for route in collector.routes] == ["iris", "tulips", "iris"]


async def test_a_tap_may_leave_an_exchange_unheard(stage: Stage, collector: Collector) -> None:
    await stage.score(path=SWAGGER, method="GET")
    assert len(collector.offered) == 1
    assert not collector.heard
    assert len(stage.records) == 1


# -- taps that misbehave ------------------------------------------------------------------


class Broken(Tap):
    """Raises in one of its methods, and has work under way that never ends."""

    def __init__(self, method: str) -> None:
        self._method = method

    def wants(self, route: Route) -> bool:
        return self._in("wants")

    def listen(self, exchange: Exchange) -> Listener | None:
        self._in("listen")
        return self._ended

    async def close(self, *, grace: float) -> None:
        self._in("close")
        await asyncio.Event().wait()

    def _ended(self, record: RequestRecord) -> None:
        self._in("listener")

    def _in(self, method: str) -> bool:
        if method == self._method:
            raise RuntimeError("a tap broke")
        return True


@pytest.mark.parametrize("method", ["wants", "listen", "listener"])
async def test_a_tap_that_raises_harms_no_request_and_no_other_tap(
    stage: Stage, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, last = Collector(), Collector()
    stage.tap(first, Broken(method), last)
    with caplog.at_level(logging.ERROR, "ml_endpoints.scoring"):
        for _ in range(10):
            assert (await stage.score(b"1")).status == 200
        await stage.score(b"1", key="wrong")
    assert len(first.heard) == len(last.heard) == 10
    assert len(stage.records) == 11
    # The first, second, fourth and eighth time, or once where it is asked only once.
    assert len(caplog.records) == (1 if method == "wants" else 4)


async def test_a_listener_of_everything_that_raises_harms_nobody(stage: Stage) -> None:
    told: list[RequestRecord] = []

    def raises(record: RequestRecord) -> None:
        raise RuntimeError("a listener broke")

    stage.listen(raises, told.append)
    assert (await stage.score(b"1")).status == 200
    assert (await stage.score(b"1", key="wrong")).status == 401
    assert len(told) == 2


class Slow(Tap):
    """Works on what it heard, in tasks of its own, for as long as it is let."""

    def __init__(self) -> None:
        self.under_way: list[asyncio.Task[bool]] = []

    def wants(self, route: Route) -> bool:
        return True

    def listen(self, exchange: Exchange) -> Listener | None:
        return lambda record: self.under_way.append(asyncio.create_task(asyncio.Event().wait()))

    async def close(self, *, grace: float) -> None:
        await asyncio.wait(self.under_way, timeout=grace)
        for task in self.under_way:
            task.cancel()
        await asyncio.wait(self.under_way)


async def test_a_tap_that_is_slow_keeps_no_request_waiting_and_ends_its_work_when_closed(
    stage: Stage,
) -> None:
    slow = Slow()
    stage.tap(slow)
    async with patience():
        for _ in range(5):
            assert (await stage.score(b"1")).status == 200
        await stage.scoring.close(grace=0.01)
    assert [task.cancelled() for task in slow.under_way] == [True] * 5


@pytest.mark.parametrize("method", ["close", "none"])
async def test_a_tap_that_cannot_be_closed_holds_up_no_other(stage: Stage, method: str) -> None:
    slow = Slow()
    stage.tap(Broken(method), slow)
    await stage.score(b"1")
    async with patience():
        await stage.scoring.close(grace=0.01)
    assert slow.under_way[0].cancelled()
