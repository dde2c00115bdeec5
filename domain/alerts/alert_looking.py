"""What of a rule is met now, by the figures."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.alerts.alert_checks import AlertScope, AlertScopes, metric_of, terms_of
from domain.alerts.metric_alert import MOST_FIRED, Criterion, MetricAlertProperties
from domain.figures.figure_reading import FigureReading
from domain.figures.metric_query import MetricQuery


class Met(NamedTuple):
    """`values` are those that were compared, by the names of the criteria."""

    resource: str
    dimensions: dict[str, str]
    values: dict[str, float]


class AlertLooking:
    def __init__(self, figures: FigureReading, scopes: AlertScopes) -> None:
        self._figures = figures
        self._scopes = scopes

    async def met(self, asked: MetricAlertProperties, now: datetime) -> list[Met]:
        """In each resource and series for itself. Where nothing is known, nothing is met."""
        until = int(now.timestamp() - self._figures.lateness)
        since = until - int(asked.window_size.total_seconds())
        found: list[Met] = []
        for resource in asked.scopes:
            scope = self._scopes.of(resource)
            if scope is not None:
                found += await self._met_in(scope, asked.criteria.all_of, since, until)
        return found[:MOST_FIRED]

    async def _met_in(
        self, scope: AlertScope, criteria: Sequence[Criterion], since: int, until: int
    ) -> list[Met]:
        lines = [[line async for line in self._lines(c, scope, since, until)] for c in criteria]
        if len(lines) == 1:
            return list(_each(scope, criteria[0], lines[0]))
        # Each is of one series, and all of them are to be met at once.
        met = [next(_each(scope, c, found), None) for c, found in zip(criteria, lines, strict=True)]
        there = [each for each in met if each is not None]
        if len(there) < len(met):
            return []
        values = {name: value for each in there for name, value in each.values.items()}
        dimensions = {name: value for each in there for name, value in each.dimensions.items()}
        return [Met(scope.path, dimensions, values)]

    async def _lines(
        self, criterion: Criterion, scope: AlertScope, since: int, until: int
    ) -> AsyncIterator[tuple[dict[str, str], float]]:
        metric = metric_of(criterion, scope.namespace)
        if metric is None:
            return
        by = criterion.time_aggregation
        query = MetricQuery(
            scope.subject,
            (metric,),
            since,
            until,
            None,
            aggregations=(by,),
            terms=terms_of(criterion, metric),
            top=MOST_FIRED,
        )
        for answer in await self._figures.read(query):
            for line in answer.lines:
                value = line.points[0].values.get(by) if line.points else None
                if value is not None:
                    yield dict(line.dimensions), value


def _each(
    scope: AlertScope, criterion: Criterion, lines: Iterable[tuple[dict[str, str], float]]
) -> Iterator[Met]:
    for dimensions, value in lines:
        if criterion.operator.is_met(value, criterion.threshold):
            yield Met(scope.path, dimensions, {criterion.name: value})
