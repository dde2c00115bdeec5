"""Figures over time."""

from typing import TYPE_CHECKING

from domain.figures.activities import FigureActivities
from domain.figures.deployment_measuring import (
    DeploymentMeasuring,
    Measured,
    MeasureProcesses,
)
from domain.figures.figure_gathering import FigureGathering
from domain.figures.figure_reading import FigureReading
from domain.figures.request_figures import RequestFigures
from infra.composition.ground import Ground
from infra.settings.features import FigureSettings

if TYPE_CHECKING:
    from infra.compute.local.serving.instance_figures import Running


def compose_figures(ground: Ground, settings: FigureSettings) -> FigureActivities:
    a = ground.adapters
    sources = (RequestFigures(a.request_counts), ground.tally)
    gathering = FigureGathering(a.figures, a.clock, sources, capacity=settings.series)
    processes = None if a.running is None else _processes(a.running)
    return FigureActivities(
        gathering,
        FigureReading(a.figures, gathering, a.clock),
        DeploymentMeasuring(a.serving, a.scorer, a.clock, gathering, processes),
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
