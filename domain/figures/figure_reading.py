"""Figures over time, as they are asked for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from domain.errors import Detail
from domain.figures.figure_gathering import FigureGathering
from domain.figures.metric_combining import Values, combined
from domain.figures.metric_query import Line, MetricAnswer, MetricQuery, Point
from domain.figures.metrics import LOOKS, Aggregation, Form, Metric
from domain.figures.outside_figures import OutsideFigures, OutsideLine
from domain.ports import Clock
from domain.ports.records.figure_store import FigureQuery, FigureStore, Kept, Series

MOST_POINTS = 200_000
"""In one answer, over all metrics and series."""
_MINUTE = 60
_FEW = 2000
"""Steps that a whole span is added up from, if it can be done with so few."""

T = TypeVar("T")

Grouped = dict[tuple[str, ...], dict[int, list[Kept]]]
"""By what lines are told apart by, and interval."""


class FigureReading:
    """Of `outside`, as far as it has them, else of the store."""

    def __init__(
        self,
        store: FigureStore,
        gathering: FigureGathering,
        clock: Clock,
        outside: OutsideFigures,
    ) -> None:
        self._store = store
        self._outside = outside
        self._gathering = gathering
        self._clock = clock

    @property
    def keeps(self) -> Mapping[int, timedelta]:
        """How long figures of each step are kept, by its seconds."""
        return self._store.keeps

    @property
    def lateness(self) -> float:
        """Seconds until what has come is among them surely, where gateways write once a minute."""
        return 2.0 * _MINUTE if self._store.period >= _MINUTE else 0.0

    def interval_for(self, interval: int, since: int) -> int:
        """The one nearest to `interval`, and no finer, of which figures are kept from `since`."""
        if self.fault_of(interval, since) is None:
            return interval
        step = min(each for each in self.keeps if self._is_kept(each, since, interval))
        return max(step, -(-interval // step) * step)

    def fault_of(self, interval: int, since: int) -> Detail | None:
        """Why there is nothing to be had of so fine an interval, from `since` on."""
        fit = [step for step in self.keeps if interval % step == 0]
        if any(self._is_kept(step, since, interval) for step in fit):
            return None
        left = [step for step in self.keeps if self._is_kept(step, since, interval)]
        if fit and not left:
            return None  # so long ago that there is nothing of any
        finest = min(left or self.keeps)
        why = (
            f"figures from {timedelta(seconds=self.now().timestamp() - since)} ago"
            if fit
            else "figures"
        )
        told = (
            f"The interval is too fine: {why} are kept in steps of {finest} seconds. Ask for an "
            "interval that is a multiple of that, or let AutoAdjustTimegrain=true choose."
        )
        return Detail("BadRequest", told, "interval")

    async def read(self, query: MetricQuery) -> list[MetricAnswer]:
        """An answer for each metric. Figures are up to the second where a store costs nothing to
        write to, else up to a minute late."""
        step = self._step(query)
        since = query.since // (query.interval or step) * (query.interval or step)
        times = self._times(query, since)
        found = await self._outside.read(query, query.metrics)
        own = [metric for metric in query.metrics if metric.name not in found]
        by_series = await self._kept(query, own, step, since) if own else {}
        now = self.now().timestamp()
        return [
            MetricAnswer(m, _outside_lines(query, m, times, found[m.name]), is_outside=True)
            if m.name in found
            else MetricAnswer(m, _lines(query, m, times, by_series, now))
            for m in query.metrics
        ]

    async def _kept(
        self, query: MetricQuery, metrics: Sequence[Metric], step: int, since: int
    ) -> dict[Series, list[Kept]]:
        if self._store.period < _MINUTE:
            await self._gathering.flush()
        names = {metric.kept_as for metric in metrics}
        if any(metric.form is Form.SHARE for metric in metrics):
            names.add(LOOKS)
        asked = FigureQuery(query.subject, tuple(names), step, since, query.until)
        by_series: dict[Series, list[Kept]] = {}
        for each in await self._store.read(asked):
            by_series.setdefault(each.series, []).append(each)
        return by_series

    def _times(self, query: MetricQuery, since: int) -> range:
        """Beginnings of intervals, of which none is yet to come."""
        if query.interval is None:
            return range(since, since + 1)
        return range(since, min(query.until, int(self.now().timestamp()) + 1), query.interval)

    def _step(self, query: MetricQuery) -> int:
        """The coarsest that fits."""
        interval = query.interval
        if interval is not None:
            fit = [step for step in self.keeps if interval % step == 0]
            return max([s for s in fit if self._is_kept(s, query.since, interval)] or fit)
        span = query.until - query.since
        kept = [step for step in self.keeps if self._is_kept(step, query.since, step)]
        return next((step for step in kept if span / step <= _FEW), max(self.keeps))

    def _is_kept(self, step: int, since: int, interval: int) -> bool:
        # Whoever asks for all there is of it asks a moment later, from an interval's beginning.
        slack = max(interval, _MINUTE)
        return since >= self.now().timestamp() - self.keeps[step].total_seconds() - slack

    def now(self) -> datetime:
        return self._clock.now()


def _lines(
    query: MetricQuery,
    metric: Metric,
    times: range,
    by_series: Mapping[Series, Sequence[Kept]],
    now: float,
) -> list[Line]:
    shown = [t.dimension for t in query.terms if t.dimension not in query.rolled_up]
    grouped: Grouped = {}
    for series, kept in by_series.items():
        if series.metric != metric.kept_as:
            continue
        told = dimensions_of(metric, series.dimensions)
        if not all(term.takes(told.get(term.dimension, "")) for term in query.terms):
            continue
        apart = tuple(told.get(dimension, "") for dimension in shown)
        by_time = grouped.setdefault(apart, {})
        for at, found in _by_time(query, times, kept).items():
            by_time.setdefault(at, []).extend(found)
    if not grouped and not shown:
        grouped[()] = {}
    looks = _by_time(query, times, by_series.get(Series(query.subject, LOOKS), ()))

    def values(apart: tuple[str, ...], at: int) -> Values:
        end = query.until if query.interval is None else at + query.interval
        kept = grouped[apart].get(at, ())
        return combined(metric, kept, looks.get(at, ()), min(end, now) - at)

    def whole(apart: tuple[str, ...], by: Aggregation) -> float:
        # Where nothing is kept there is nothing to add.
        there = (at for at in grouped[apart] if at in times)
        return sum(values(apart, at).get(by, 0.0) for at in there)

    return [
        Line(dict(zip(shown, apart, strict=True)), [Point(at, values(apart, at)) for at in times])
        for apart in _chosen(query, [*grouped], whole)
    ]


def _outside_lines(
    query: MetricQuery,
    metric: Metric,
    times: range,
    found: Sequence[OutsideLine],
) -> list[Line]:
    """With every interval, as our own have them."""
    if not found and not query.terms:
        found = [OutsideLine({}, {})]
    lines = []
    for each in found:
        values = each.values
        if query.interval is None:
            # Where it begins is told as whoever keeps it rounds it.
            values = dict(zip(times, values.values(), strict=False))
        nothing = combined(metric, (), (), 1.0)
        points = [Point(at, values.get(at) or nothing) for at in times]
        lines.append(Line(each.dimensions, points))
    return _chosen(query, lines, _whole)


def _chosen(
    query: MetricQuery, found: list[T], whole: Callable[[T, Aggregation], float]
) -> list[T]:
    order = query.order
    if order is not None and len(found) > 1:
        found.sort(key=lambda each: whole(each, order.by), reverse=order.descending)
    return found[: query.top] if query.terms else found


def _by_time(query: MetricQuery, times: range, kept: Sequence[Kept]) -> dict[int, list[Kept]]:
    interval = query.interval
    if interval is None:
        return {times[0]: [*kept]}
    found: dict[int, list[Kept]] = {}
    for each in kept:
        found.setdefault(each.at // interval * interval, []).append(each)
    return found


def dimensions_of(metric: Metric, values: Sequence[str]) -> dict[str, str]:
    """By name, the derived ones with them."""
    told = dict(zip(metric.dimensions, values, strict=False))
    for derived in metric.derived:
        # What there is: a class of the status that it is named after.
        status = told.get(derived.removesuffix("Class"), "")
        told[derived] = f"{status[:1]}xx" if status else ""
    return told


def _whole(line: Line, by: Aggregation) -> float:
    return sum(point.values.get(by, 0.0) for point in line.points)
