"""Which exchanges taps are offered, and taps that misbehave."""

import asyncio
import logging

import pytest

from domain.scoring.exchange_taps import Tap
from domain.scoring.request_record import Listener, RequestRecord
from domain.scoring.route import Route
from domain.scoring.scoring_exchange import SWAGGER, Exchange
from tests.domain.scoring.passing import Stage
from tests.domain.scoring.taps.tapping import Collector
from tests.kit.waiting import patience


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
