"""The contract of domain.ports.records.figure_store.FigureStore."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.ports import ResourceStore
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

MINUTE, HOUR, DAY = 60, 3600, 86400
SUBJECT = "onlineendpoints/iris"
REQUESTS = Series(SUBJECT, "RequestsPerMinute", ("blue", "200", "200"))
FAILED = Series(SUBJECT, "RequestsPerMinute", ("blue", "424", "500"))
LATENCY = Series(SUBJECT, "RequestLatency", ("blue",))
OTHER = Series("onlineendpoints/iris2", "RequestsPerMinute", ("blue", "200", "200"))
TIMES = Amounts(3, 17.5, 2.5, 10.0, {40: 2, 55: 1})
WEEK, YEAR = timedelta(days=7), timedelta(days=365)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def embedded_figures(tmp_path: Path, clock: HeldClock) -> AsyncIterator[FigureStore]:
    keeps = {HOUR: YEAR, 1: timedelta(minutes=15), MINUTE: WEEK}
    store = SqliteFigureStore(tmp_path / "figures.db", keeps=keeps, max_bytes=2**30, now=clock.unix)
    yield store
    await store.close()


@pytest.fixture
def memory_figures(memory_store: ResourceStore) -> FigureStore:
    return DocumentFigureStore(memory_store, minutes=WEEK, hours=YEAR)


@pytest.fixture
def cloud_figures(cloud_store: ResourceStore) -> FigureStore:
    return DocumentFigureStore(cloud_store, minutes=WEEK, hours=YEAR)


@pytest.fixture
def figures(family: str, request: pytest.FixtureRequest) -> FigureStore:
    """The embedded family's own; the cloud's on documents, of a store in memory too."""
    adapter: FigureStore = request.getfixturevalue(f"{family}_figures")
    return adapter


@pytest.fixture
def today(clock: HeldClock) -> int:
    """The day's beginning."""
    return int(clock.time) // DAY * DAY


async def read(
    figures: FigureStore, since: int, until: int, *metrics: str, step: int = MINUTE
) -> list[Kept]:
    return [*await figures.read(FigureQuery(SUBJECT, metrics, step, since, until))]


async def test_what_is_put_is_read_whole_in_order_of_series_time_and_gateway(
    figures: FigureStore, today: int
) -> None:
    first = Bucket(MINUTE, today, {FAILED: counted(1), REQUESTS: counted(5), LATENCY: TIMES})
    second = Bucket(MINUTE, today + MINUTE, {REQUESTS: counted(7), OTHER: counted(9)})
    await figures.put("b", [second])
    await figures.put("a", [second, first])
    assert await read(figures, today, today + HOUR, "RequestsPerMinute", "RequestLatency") == [
        Kept(LATENCY, today, "a", TIMES),
        Kept(REQUESTS, today, "a", counted(5)),
        Kept(REQUESTS, today + MINUTE, "a", counted(7)),
        Kept(REQUESTS, today + MINUTE, "b", counted(7)),
        Kept(FAILED, today, "a", counted(1)),
    ]


async def test_a_collection_is_every_resource_of_it_without_what_is_below(
    figures: FigureStore, today: int
) -> None:
    others = [
        Series(subject, "RequestsPerMinute", ("200",))
        for subject in (f"{SUBJECT}/deployments/blue", "onlineendpoints", "batchendpoints/x", "")
    ]
    mine = {OTHER: counted(2), REQUESTS: counted(1), LATENCY: TIMES}
    await figures.put("a", [Bucket(MINUTE, today, {each: counted(3) for each in others} | mine)])
    asked = FigureQuery("onlineendpoints/*", ("RequestsPerMinute",), MINUTE, today, today + 1)
    assert [*await figures.read(asked)] == [
        Kept(REQUESTS, today, "a", counted(1)),
        Kept(OTHER, today, "a", counted(2)),
    ]


async def test_a_bucket_that_is_put_again_stands_as_it_was_put_last(
    figures: FigureStore, today: int
) -> None:
    hour = Bucket(HOUR, today, {REQUESTS: counted(5)})
    await figures.put("a", [Bucket(MINUTE, today, {REQUESTS: counted(5)}), hour])
    later = Bucket(HOUR, today, {REQUESTS: counted(8), FAILED: counted(1)})
    for _ in range(2):
        await figures.put("a", [Bucket(MINUTE, today + MINUTE, {REQUESTS: counted(3)}), later])
    found = await read(figures, today, today + DAY, "RequestsPerMinute", step=HOUR)
    assert found == [Kept(REQUESTS, today, "a", counted(8)), Kept(FAILED, today, "a", counted(1))]
    found = await read(figures, today, today + DAY, "RequestsPerMinute")
    assert [kept.amounts for kept in found] == [counted(5), counted(3)]


async def test_steps_are_kept_apart_and_those_that_are_not_kept_are_let_go(
    figures: FigureStore, today: int
) -> None:
    await figures.put("a", [Bucket(MINUTE, today, {REQUESTS: counted(5)})])
    await figures.put("a", [Bucket(7, today, {REQUESTS: counted(5)})])
    for step in (HOUR, 7, 1):
        assert await read(figures, today, today + DAY, "RequestsPerMinute", step=step) == []


async def test_a_span_has_what_begins_in_it_over_hours_and_days(
    figures: FigureStore, today: int
) -> None:
    times = [today + n * 47 * MINUTE for n in range(-40, 40)]
    await figures.put("a", [Bucket(MINUTE, at, {REQUESTS: counted(1)}) for at in times])
    for since, until in (
        (today, today + MINUTE),
        (today - 47 * MINUTE, today),
        (today - 5 * HOUR, today + 3 * HOUR),
        (today - 30 * HOUR, today + 30 * HOUR),
        (today - 3 * DAY, today + 3 * DAY),
    ):
        found = await read(figures, since, until, "RequestsPerMinute")
        assert [kept.at for kept in found] == [at for at in times if since <= at < until]


async def test_more_than_one_document_holds_is_read_whole(figures: FigureStore, today: int) -> None:
    series = {
        Series(SUBJECT, "RequestsPerMinute", ("blue", str(number), "x" * 200)): counted(number)
        for number in range(2000)
    }
    for _ in range(2):
        await figures.put("a", [Bucket(step, today, series) for step in (MINUTE, HOUR)])
    for step in (MINUTE, HOUR):
        found = await read(figures, today, today + DAY, "RequestsPerMinute", step=step)
        assert {kept.series: kept.amounts for kept in found} == series


async def test_what_is_too_old_goes(figures: FigureStore, today: int, clock: HeldClock) -> None:
    if not isinstance(figures, SqliteFigureStore):
        pytest.skip("documents go by their time to live (tests/contract/test_resource_store.py)")
    steps = (1, MINUTE, HOUR)
    await figures.put("a", [Bucket(step, today, {REQUESTS: counted(1)}) for step in steps])
    for days, left in ((0, {1, MINUTE, HOUR}), (1, {MINUTE, HOUR}), (7, {HOUR}), (360, set())):
        clock.move(days * DAY)
        at = int(clock.time) // HOUR * HOUR
        await figures.put("a", [Bucket(HOUR, at, {OTHER: counted(1)})])
        found = {s for s in steps if await read(figures, today, at + 1, REQUESTS.metric, step=s)}
        assert found == left
