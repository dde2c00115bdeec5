"""What is asked of figures over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from domain.figures.metrics import Aggregation, Metric


@dataclass(frozen=True)
class Term:
    """Which values of a dimension: one of `values`, in any case (`negated`: none of them), or any
    (`values` is empty). Whatever has a term is told apart by it."""

    dimension: str
    values: tuple[str, ...] = ()
    negated: bool = False

    def takes(self, value: str) -> bool:
        if not self.values:
            return True
        return (value.casefold() in (each.casefold() for each in self.values)) != self.negated


@dataclass(frozen=True)
class Order:
    by: Aggregation
    descending: bool


@dataclass(frozen=True)
class MetricQuery:
    """`since` and `until` in Unix seconds, `interval` in seconds (None: the whole span is one).
    `aggregations` are shown as far as a metric has them; where none are asked for, its first.
    With terms, at most `top` series of a metric are given, by `order`; series that differ in
    nothing but dimensions of `rolled_up` are one."""

    subject: str
    metrics: tuple[Metric, ...]
    since: int
    until: int
    interval: int | None
    aggregations: tuple[Aggregation, ...] = ()
    terms: tuple[Term, ...] = ()
    rolled_up: frozenset[str] = frozenset()
    top: int = 10
    order: Order | None = None


class Point(NamedTuple):
    """`at` in Unix seconds; no value where nothing is known."""

    at: int
    values: Mapping[Aggregation, float]


@dataclass(frozen=True)
class Line:
    """A series as it is shown: the values of the dimensions it is told apart by, and points in
    order of time."""

    dimensions: Mapping[str, str]
    points: Sequence[Point]


@dataclass(frozen=True)
class MetricAnswer:
    """`is_outside`: the figures are somebody else's, of the same things."""

    metric: Metric
    lines: Sequence[Line]
    is_outside: bool = False
