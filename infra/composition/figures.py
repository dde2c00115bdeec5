"""Figures over time."""

from domain.figures.activities import FigureActivities
from domain.figures.figure_gathering import FigureGathering
from domain.figures.figure_reading import FigureReading
from domain.figures.request_figures import RequestFigures
from infra.composition.ground import Ground
from infra.settings.features import FigureSettings


def compose_figures(ground: Ground, settings: FigureSettings) -> FigureActivities:
    a = ground.adapters
    sources = (RequestFigures(a.request_counts), ground.tally)
    gathering = FigureGathering(a.figures, a.clock, sources, capacity=settings.series)
    return FigureActivities(gathering, FigureReading(a.figures, gathering, a.clock))
