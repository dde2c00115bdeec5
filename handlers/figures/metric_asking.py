"""The query of metrics, as Azure Monitor's REST API has it. Every fault is told at once."""

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from domain.errors import Detail, refuse
from domain.figures.figure_reading import MOST_POINTS, FigureReading
from domain.figures.metric_query import MetricQuery, Order
from domain.figures.metrics import CATALOGUES, WORKSPACES, Aggregation, Metric
from handlers.figures import metric_filter

MOST_METRICS = 20
INTERVALS = {
    **{"PT1S": 1, "PT5S": 5, "PT10S": 10, "PT30S": 30},
    **{"PT1M": 60, "PT5M": 300, "PT15M": 900, "PT30M": 1800},
    **{"PT1H": 3600, "PT6H": 21600, "PT12H": 43200, "P1D": 86400},
}
"""In seconds. Those below a minute are ours."""

_HOUR = timedelta(hours=1)
_DURATION = TypeAdapter(timedelta)
_ALIASES = {"sum": Aggregation.TOTAL, "avg": Aggregation.AVERAGE}
_TRUE = {"true": True, "false": False}

Parameters = Mapping[str, str]
"""By name in lower case."""


class Asking:
    """Of one request. `namespace` says what kind of thing `subject` is."""

    def __init__(
        self, parameters: Parameters, namespace: str, subject: str, reading: FigureReading
    ) -> None:
        self._given = parameters
        self._namespace = namespace
        self._subject = subject
        self._reading = reading
        self._faults: list[Detail] = []

    def query(self, now: datetime) -> MetricQuery:
        """Raises Invalid, with every fault."""
        self._check_namespace()
        metrics = self._metrics()
        since, until = self._span(now)
        interval = self._interval(since)
        query = MetricQuery(
            self._subject,
            metrics,
            since,
            until,
            interval,
            aggregations=self._aggregations(metrics),
            terms=metric_filter.parsed(self._given.get("$filter", ""), metrics, self._faults),
            rolled_up=self._rolled_up(metrics),
            top=self._top(),
            order=self._order(metrics),
        )
        points = len(metrics) * ((until - since) // (interval or until - since or 1) + 1)
        if points * (query.top if query.terms else 1) > MOST_POINTS:
            self._fault(
                "interval",
                f"That would be more than {MOST_POINTS} points: ask for a longer interval, a "
                "shorter timespan or fewer metrics.",
            )
        refuse(self._faults)
        return query

    def _fault(self, target: str, message: str) -> None:
        self._faults.append(Detail("BadRequest", message, target))

    def _check_namespace(self) -> None:
        given = self._given.get("metricnamespace", self._namespace)
        if given.casefold() != self._namespace.casefold():
            there = f"Metrics here are of '{self._namespace}', not of '{given[:100]}'."
            self._fault("metricnamespace", there)

    def _metrics(self) -> tuple[Metric, ...]:
        known = CATALOGUES[self._namespace]
        names = [n.strip() for n in self._given.get("metricnames", "").split(",") if n.strip()]
        if not names:
            return (next(iter(known.values())),)
        if len(names) > MOST_METRICS:
            told = f"There are {len(names)} metric names; at most {MOST_METRICS} may be asked for."
            self._fault("metricnames", told)
            names = names[:MOST_METRICS]
        found: dict[str, Metric] = {}
        for name in names:
            metric = known.get(name.casefold())
            if metric is None:
                near = difflib.get_close_matches(name.casefold()[:80], known, n=1)
                hint = known[near[0]].name if near else None
                there = ", ".join(each.name for each in known.values() if each.quantile is None)
                meant = f"Did you mean '{hint}'?" if hint else f"There are: {there}."
                if name.casefold() in CATALOGUES[WORKSPACES]:
                    meant = "It is of the workspace: ask for it there."
                self._fault("metricnames", f"There is no metric '{name[:80]}' here. {meant}")
            else:
                found[metric.name] = metric
        return tuple(found.values())

    def _span(self, now: datetime) -> tuple[int, int]:
        text = self._given.get("timespan", "").strip()
        if not text:
            return _seconds(now - _HOUR), _seconds(now)
        first, slash, second = text.partition("/")
        try:
            if not slash:
                return _seconds(now - _duration(first)), _seconds(now)
            until = None if second.startswith("P") else _time(second)
            since = _time(first) if not first.startswith("P") else None
            if since is None and until is not None:
                since = until - _duration(first)
            if since is not None and until is None:
                until = since + _duration(second)
            if since is None or until is None:
                raise ValueError
        except (ValueError, OverflowError):
            self._fault(
                "timespan",
                f"'{text[:80]}' is no timespan: write start/end, such as "
                "2026-01-31T00:00:00Z/2026-01-31T06:00:00Z, or a duration that ends now, such as "
                "PT6H.",
            )
            return _seconds(now - _HOUR), _seconds(now)
        if until <= since:
            self._fault("timespan", "The timespan ends before it begins.")
            return _seconds(now - _HOUR), _seconds(now)
        return _seconds(since), _seconds(until)

    def _interval(self, since: int) -> int | None:
        text = (self._given.get("interval", "").strip() or "PT1M").upper()
        if text == "FULL":
            return None
        seconds = INTERVALS.get(text) or _same_as_one(text)
        if seconds is None:
            self._fault(
                "interval",
                f"'{text[:40]}' is no interval; there are {', '.join(INTERVALS)} and FULL.",
            )
            return None
        fault = self._reading.fault_of(seconds, since)
        if fault is None:
            return seconds
        if self._flag("autoadjusttimegrain"):
            least = self._reading.interval_for(seconds, since)
            return next((s for s in INTERVALS.values() if s >= least and s % least == 0), least)
        self._faults.append(fault)
        return seconds

    def _aggregations(self, metrics: tuple[Metric, ...]) -> tuple[Aggregation, ...]:
        found = []
        for name in self._given.get("aggregation", "").split(","):
            if not name.strip():
                continue
            aggregation = _aggregation(name)
            if aggregation is None:
                there = ", ".join(Aggregation)
                self._fault("aggregation", f"'{name[:40]}' is none; there are {there}.")
            else:
                found.append(aggregation)
        for metric in metrics:
            if found and not set(found) & set(metric.aggregations):
                there = ", ".join(metric.aggregations)
                self._fault("aggregation", f"{metric.name} has {there}, and none that is asked.")
        return tuple(found)

    def _rolled_up(self, metrics: tuple[Metric, ...]) -> frozenset[str]:
        names = [n.strip() for n in self._given.get("rollupby", "").split(",") if n.strip()]
        known = {each.casefold(): each for metric in metrics for each in metric.asked_by}
        for name in names:
            if name.casefold() not in known:
                there = ", ".join(known.values()) or "none"
                told = f"'{name[:40]}' is no dimension to roll up by; there are: {there}."
                self._fault("rollupby", told)
        return frozenset(known[n.casefold()] for n in names if n.casefold() in known)

    def _top(self) -> int:
        text = self._given.get("top", "").strip() or "10"
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 1000:
            self._fault("top", f"'{text[:40]}' is not a number of series; top is 1 to 1000.")
            return 10
        return int(text)

    def _order(self, metrics: tuple[Metric, ...]) -> Order | None:
        text = self._given.get("orderby", "").strip()
        if not text:
            return None
        name, _, direction = text.partition(" ")
        by = _aggregation(name)
        direction = direction.strip().casefold() or "asc"
        if by is None or direction not in ("asc", "desc"):
            told = f"'{text[:40]}' is no order; write an aggregation and asc or desc."
            self._fault("orderby", told)
            return None
        if not any(by in metric.aggregations for metric in metrics):
            self._fault("orderby", f"No metric that is asked for has a {by.value}.")
        return Order(by, descending=direction == "desc")

    def _flag(self, name: str) -> bool:
        text = self._given.get(name, "").strip().casefold() or "false"
        if text not in _TRUE:
            self._fault(name, f"'{text[:40]}' is neither true nor false.")
        return _TRUE.get(text, False)


def _aggregation(name: str) -> Aggregation | None:
    text = name.strip().casefold()
    found = next((each for each in Aggregation if each.value.casefold() == text), None)
    return found or _ALIASES.get(text)


def _same_as_one(text: str) -> int | None:
    """An interval in other words, as PT60M is."""
    if re.fullmatch(r"P[0-9DTHMS]{2,12}", text) is None:
        return None
    try:
        seconds = _duration(text).total_seconds()
    except (ValueError, OverflowError):
        return None
    return next((each for each in INTERVALS.values() if each == seconds), None)


def _duration(text: str) -> timedelta:
    try:
        found = _DURATION.validate_python(text)
    except ValidationError:
        raise ValueError(text) from None
    if not timedelta(0) < found <= timedelta(days=3660):
        raise ValueError(text)
    return found


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text.strip())
    time = time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    if not 1970 < time.year < 9999:
        raise ValueError(text)
    return time


def _seconds(time: datetime) -> int:
    return int(time.timestamp())
