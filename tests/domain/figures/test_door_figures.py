"""Connections to a host's door, over time."""

from datetime import timedelta

from domain.figures.door_figures import DoorFigures
from domain.figures.figure_gathering import FigureGathering
from domain.figures.figure_reading import FigureReading
from domain.figures.metric_query import MetricQuery
from domain.figures.metrics import CATALOGUES, WORKSPACES, Aggregation
from domain.figures.outside_figures import NoOutsideFigures
from infra.cloud.documents.document_figure_store import DocumentFigureStore
from tests.kit.clocks import HeldClock
from tests.simulation.stores.memory_resource_store import MemoryResourceStore


async def test_connections_of_all_hosts_add_up_and_new_ones_are_a_rate() -> None:
    clock = HeldClock()
    hour = timedelta(hours=1)
    store = DocumentFigureStore(MemoryResourceStore(clock.unix), minutes=hour, hours=hour)
    doors = [DoorFigures(), DoorFigures()]
    gathers = [FigureGathering(store, clock, (door,), capacity=100) for door in doors]
    looks = iter([(4, 10), (6, 20), (2, 30), (2, 30)])
    for door in doors:
        door.watch(lambda: next(looks))
    for gathering in gathers:
        for _ in range(2):
            gathering.ask()
            await gathering.flush()
    clock.move(59)
    reading = FigureReading(store, gathers[0], clock, NoOutsideFigures())
    now = int(clock.time)
    metrics = tuple(
        CATALOGUES[WORKSPACES][name] for name in ("connectionsactive", "newconnectionspersecond")
    )
    active, new = await reading.read(MetricQuery("", metrics, now - 59, now + 1, 60))
    # One had four and then six, the other two.
    assert active.lines[0].points[0].values[Aggregation.AVERAGE] == 7
    assert active.lines[0].points[0].values[Aggregation.COUNT] == 4
    assert new.lines[0].points[0].values[Aggregation.TOTAL] == 50
    assert new.lines[0].points[0].values[Aggregation.AVERAGE] == 50 / 59
    for gathering in gathers:
        await gathering.close()


def test_a_door_that_nobody_watches_says_nothing() -> None:
    assert list(DoorFigures().take()) == []
