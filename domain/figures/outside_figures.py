"""Figures that somebody else keeps of the same things."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.figures.metric_combining import Values
from domain.figures.metric_query import MetricQuery
from domain.figures.metrics import Metric


@dataclass(frozen=True)
class OutsideLine:
    """By the dimensions that the query's terms name, the values of intervals, by their beginnings
    (Unix seconds)."""

    dimensions: Mapping[str, str]
    values: Mapping[int, Values]


class OutsideFigures(Protocol):
    @abstractmethod
    async def read(
        self, query: MetricQuery, metrics: Sequence[Metric]
    ) -> Mapping[str, Sequence[OutsideLine]]:
        """Lines of those of `metrics` that are kept there, by name; of the others, and where it
        cannot be told (now, or at all), nothing: whoever asks has figures of his own."""


class NoOutsideFigures(OutsideFigures):
    async def read(
        self, query: MetricQuery, metrics: Sequence[Metric]
    ) -> Mapping[str, Sequence[OutsideLine]]:
        return {}
