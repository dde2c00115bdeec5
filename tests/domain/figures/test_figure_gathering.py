"""What one gateway counts, gathered by steps of time."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.figures.figure_gathering import FigureGathering, Source
from domain.figures.metrics import NOT_KEPT
from domain.ports.records.figure_store import (
    Amounts,
    Bucket,
    FigureQuery,
    FigureStore,
    Kept,
    Series,
    counted,
)
from infra.cloud.documents.document_figure_store import DocumentFigureStore
from infra.embedded.database.sqlite_figure_store import SqliteFigureStore
from tests.kit.clocks import HeldClock
from tests.kit.waiting import eventually
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

REQUESTS = Series("onlineendpoints/iris", "RequestsPerMinute", ("blue", "200", "200"))
LEVEL = Series("onlineendpoints/iris", "Level")
KEEPS = {1: timedelta(minutes=15), 60: timedelta(days=7), 3600: timedelta(days=365)}


class Told(Source):
    """Has what a test says."""

    def __init__(self) -> None:
        self._changed: Callable[[], None] = lambda: None
        self._left: list[tuple[Series, Amounts]] = []

    def tell(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def say(self, series: Series, number: int) -> None:
        self._left.append((series, counted(number)))
        self._changed()

    def take(self) -> Iterable[tuple[Series, Amounts]]:
        left, self._left = self._left, []
        return left


class Broken(FigureStore):
    """Fails while it is told to."""

    def __init__(self, store: FigureStore) -> None:
        self._store = store
        self.keeps: Mapping[int, timedelta] = store.keeps
        self.period = store.period
        self.broken = False
        self.puts: list[list[Bucket]] = []

    async def put(self, gateway: str, buckets: Sequence[Bucket]) -> None:
        if self.broken:
            raise Unavailable("It is away.")
        self.puts.append([*buckets])
        await self._store.put(gateway, buckets)

    async def read(self, asked: FigureQuery) -> Sequence[Kept]:
        return await self._store.read(asked)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def documents(clock: HeldClock) -> Broken:
    store = MemoryResourceStore(clock.unix)
    return Broken(DocumentFigureStore(store, minutes=KEEPS[60], hours=KEEPS[3600]))


def of_status(status: str) -> Series:
    return Series(REQUESTS.subject, REQUESTS.metric, ("blue", status, ""))


def gathering(
    store: FigureStore, clock: HeldClock, *sources: Source, capacity: int = 100
) -> FigureGathering:
    return FigureGathering(store, clock, sources, capacity=capacity)


async def found(
    store: FigureStore, clock: HeldClock, step: int, series: Series = REQUESTS
) -> dict[int, float]:
    """What there is of the last day, by seconds from now."""
    now = int(clock.time)
    query = FigureQuery(series.subject, (series.metric,), step, now - 86400, now + 86400)
    total: dict[int, float] = {}
    for kept in await store.read(query):
        total[kept.at - now] = total.get(kept.at - now, 0) + kept.amounts.total
    return total


async def test_each_step_of_time_has_what_came_in_it(tmp_path: Path, clock: HeldClock) -> None:
    store = SqliteFigureStore(
        tmp_path / "figures.db", keeps=KEEPS, max_bytes=2**30, now=HeldClock().unix
    )
    source = Told()
    gathers = gathering(store, clock, source)
    for seconds, number in ((0, 1), (0.5, 2), (1, 4), (60, 8), (3600, 16)):
        clock.time = HeldClock().time + seconds
        source.say(REQUESTS, number)
        await gathers.flush()
    assert await found(store, HeldClock(), 1) == {0: 3, 1: 4, 60: 8, 3600: 16}
    assert await found(store, HeldClock(), 60) == {0: 7, 60: 8, 3600: 16}
    assert await found(store, HeldClock(), 3600) == {0: 15, 3600: 16}
    await gathers.close()
    await store.close()


async def test_gateways_add_up(documents: Broken, clock: HeldClock) -> None:
    sources = [Told(), Told()]
    both = [gathering(documents, clock, source) for source in sources]
    for source in sources:
        source.say(REQUESTS, 5)
    for each in both:
        await each.close()
    assert await found(documents, clock, 60) == {0: 10}


async def test_what_the_store_does_not_take_is_kept_and_counts_once(
    documents: Broken, clock: HeldClock
) -> None:
    source = Told()
    gathers = gathering(documents, clock, source)
    documents.broken = True
    for _ in range(3):
        source.say(REQUESTS, 5)
        await gathers.flush()
        clock.move(60)
    documents.broken = False
    await gathers.flush()
    await gathers.flush()
    clock.time = HeldClock().time
    assert await found(documents, clock, 60) == {0: 5, 60: 5, 120: 5}
    assert await found(documents, clock, 3600) == {0: 15}
    await gathers.close()


async def test_an_idle_gateway_writes_nothing(documents: Broken, clock: HeldClock) -> None:
    source = Told()
    gathers = gathering(documents, clock, source)
    await gathers.flush()
    assert documents.puts == []
    source.say(REQUESTS, 5)
    await gathers.flush()
    await gathers.flush()
    await gathers.close()
    assert len(documents.puts) == 1


async def test_an_active_gateway_keeps_a_minute_once_it_is_over(clock: HeldClock) -> None:
    """A timer, which waits for the end of the clock's step, sees to it."""
    clock.time += 59.999
    store = MemoryResourceStore(clock.unix)
    documents = Broken(DocumentFigureStore(store, minutes=KEEPS[60], hours=KEEPS[3600]))
    source = Told()
    gathers = gathering(documents, clock, source)
    source.say(REQUESTS, 5)
    clock.move(0.011)
    await eventually(lambda: documents.puts, "the minute is kept")
    [put] = documents.puts
    minute = int(HeldClock().time)
    assert put == [Bucket(60, minute, {REQUESTS: counted(5)}), Bucket(3600, minute, put[1].series)]
    await gathers.close()
    assert len(documents.puts) == 1


async def test_more_series_than_are_followed_are_counted_and_told(
    documents: Broken, clock: HeldClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Told()
    gathers = gathering(documents, clock, source, capacity=10)
    with caplog.at_level(logging.WARNING):
        for number in range(25):
            source.say(of_status(str(number)), 1)
        await gathers.flush()
    source.say(of_status("0"), 1)
    await gathers.close()
    assert await found(documents, clock, 3600) == {0: 11}
    assert await found(documents, clock, 3600, Series("", NOT_KEPT)) == {0: 15}
    told = [record.getMessage() for record in caplog.records]
    assert [text.partition("(")[2] for text in told] == [
        f"{times} times by now)" for times in (1, 2, 4, 8)
    ]


async def test_levels_have_their_least_and_their_most(documents: Broken, clock: HeldClock) -> None:
    gathers = gathering(documents, clock)
    for value in (5.0, 2.0, 8.0):
        gathers.measured(LEVEL, value)
    await gathers.close()
    now = int(clock.time)
    [kept] = await documents.read(FigureQuery(LEVEL.subject, ("Level",), 60, now, now + 60))
    assert kept.amounts == Amounts(3, 15.0, 2.0, 8.0)
