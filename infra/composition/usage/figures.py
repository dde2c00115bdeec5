"""Figures over time, and the overview that they are in."""

from typing import TYPE_CHECKING

from domain.batch.activities import BatchActivities
from domain.figures.activities import FigureActivities
from domain.figures.deployment_measuring import (
    DeploymentMeasuring,
    Measured,
    MeasureProcesses,
)
from domain.figures.figure_gathering import FigureGathering, Source
from domain.figures.figure_reading import FigureReading
from domain.figures.request_figures import RequestFigures
from domain.figures.traffic_reading import TrafficReading
from domain.jobs.activities import JobActivities
from domain.ledger.activities import LedgerActivities
from domain.online.activities import OnlineActivities
from domain.overview.costs_today import CostsTodayReading
from domain.overview.overview_reading import OverviewReading
from infra.composition.ground import Ground
from infra.settings.features import FigureSettings

if TYPE_CHECKING:
    from infra.compute.local.serving.instance_figures import Running


def compose_figures(
    ground: Ground, settings: FigureSettings, *, online: OnlineActivities
) -> FigureActivities:
    a = ground.adapters
    sources: tuple[Source, ...] = (
        RequestFigures(a.request_counts),
        ground.tally,
        *a.figure_sources,
    )
    gathering = FigureGathering(a.figures, a.clock, sources, capacity=settings.series)
    processes = None if a.running is None else _processes(a.running)
    return FigureActivities(
        gathering,
        FigureReading(a.figures, gathering, a.clock, a.outside_figures),
        DeploymentMeasuring(a.serving, a.scorer, a.clock, gathering, processes),
        TrafficReading(a.traffic, online.documents),
    )


def compose_overview(
    ground: Ground,
    seen: tuple[FigureActivities, LedgerActivities],
    online: OnlineActivities,
    batch: BatchActivities,
    jobs: JobActivities,
) -> OverviewReading:
    a, (figures, ledger) = ground.adapters, seen
    return OverviewReading(
        a.store,
        a.clock,
        a.figures,
        figures.gathering,
        jobs.collection,
        CostsTodayReading(ledger.costs, a.clock),
        online.documents.types,
        batch.documents.types,
    )


def _processes(running: "Running") -> MeasureProcesses:
    from infra.compute.local.serving.instance_figures import InstanceFigures

    figures = InstanceFigures(running)

    def measure() -> list[Measured]:
        return [
            Measured(
                f"online/{each.dimensions['endpoint']}/{each.dimensions['deployment']}",
                each.name,
                tuple(each.dimensions[n] for n in ("instanceId", "State") if n in each.dimensions),
                each.value,
            )
            for each in figures.read()
        ]

    return measure
