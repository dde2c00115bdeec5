"""Figures over time as Azure Monitor has them of what telemetry sends: custom metrics of an
Application Insights resource, in namespaces and with dimensions of our own."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from domain.figures.metric_combining import Values
from domain.figures.metric_query import MetricQuery, Term
from domain.figures.metrics import DEPLOYMENTS, ENDPOINTS, Aggregation, Form, Metric
from domain.figures.outside_figures import OutsideFigures, OutsideLine
from infra.telemetry import metric_names as exported

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger(__name__)

_API_VERSION: Final = "2024-02-01"
_PATIENCE: Final = 10.0
_NO_RIGHT_FOR: Final = 600.0
_AWAY_FOR: Final = 60.0
"""Seconds for which it is not asked again."""
_LARGEST: Final = 16 * 2**20
_MOST_SERIES: Final = 1000
_EXPORTED: Final = {
    ENDPOINTS: {
        *(exported.REQUESTS, exported.LATENCY, exported.BYTES, exported.FAILURES),
        *(exported.FIRST_BYTE, exported.STREAMS),
    },
    DEPLOYMENTS: {exported.REQUESTS, exported.LATENCY, exported.NON_FINITE, exported.CPU}
    | {exported.MEMORY},
}
_NAMES: Final = {each: each.value.lower() for each in Aggregation}

GetToken = Callable[[], Awaitable[str]]
"""A bearer token for Azure's resource manager."""


class AzureMonitor(OutsideFigures):
    """`resource` is the Application Insights resource's ARM id. What it has no percentiles of, and
    what is finer than a minute, it is not asked for."""

    def __init__(
        self,
        resource: str,
        token: GetToken,
        *,
        address: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = f"{address}{resource}/providers/Microsoft.Insights/metrics"
        self._token = token
        self._now = now
        self._not_before = 0.0
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def read(
        self, query: MetricQuery, metrics: Sequence[Metric]
    ) -> Mapping[str, Sequence[OutsideLine]]:
        place = query.subject.split("/")
        if place[0] != "onlineendpoints" or (query.interval or 60) % 60:
            return {}
        namespace = DEPLOYMENTS if len(place) == 4 else ENDPOINTS
        kept = [m for m in metrics if m.quantile is None and m.name in _EXPORTED[namespace]]
        if not kept or self._now() < self._not_before:
            return {}
        told = await self._asked(self._parameters(query, kept, namespace, place[1::2]))
        if told is None:
            return {}
        try:
            by_name = {each["name"]["value"].casefold(): each for each in told["value"]}
            return {
                m.name: _lines(query, m, by_name[m.name.casefold()])
                for m in kept
                if m.name.casefold() in by_name
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._leave(f"an answer that is none of Azure Monitor's ({error!r})", _AWAY_FOR)
            return {}

    def _parameters(
        self, query: MetricQuery, metrics: Sequence[Metric], namespace: str, names: Sequence[str]
    ) -> dict[str, str]:
        known = [
            Term(name, (value,))
            for name, value in zip(("endpoint", "deployment"), names, strict=False)
        ]
        return {
            "api-version": _API_VERSION,
            "metricnamespace": namespace,
            "metricnames": ",".join(metric.name for metric in metrics),
            "timespan": f"{_at(query.since)}/{_at(query.until)}",
            "interval": "FULL" if query.interval is None else f"PT{query.interval // 60}M",
            "aggregation": ",".join(_NAMES.values()),
            "$filter": " and ".join(map(_written, (*known, *query.terms))),
            "top": str(_MOST_SERIES),
        }

    async def _asked(self, parameters: Mapping[str, str]) -> dict[str, Any] | None:
        """None where there is no answer to be had."""
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_PATIENCE), trust_env=True
            )
        try:
            headers = {"Authorization": f"Bearer {await self._token()}"}
            async with self._session.get(
                self._url, params=parameters, headers=headers, allow_redirects=False
            ) as answer:
                if answer.status == 200:
                    text = bytearray()
                    async for piece in answer.content.iter_chunked(2**16):
                        text += piece
                        if len(text) > _LARGEST:
                            self._leave("an answer that is too large", _AWAY_FOR)
                            return None
                    found: dict[str, Any] = json.loads(text)
                    return found
                told = (await answer.content.read(500)).decode(errors="replace")
                no_right = answer.status in (401, 403, 404)
                self._leave(f"{answer.status}: {told}", _NO_RIGHT_FOR if no_right else _AWAY_FOR)
        except Exception as error:  # a credential's errors are of no one kind
            self._leave(repr(error), _AWAY_FOR)
        return None

    def _leave(self, why: str, seconds: float) -> None:
        self._not_before = self._now() + seconds
        _log.warning(
            "Azure Monitor has no figures: own ones are shown for the next %g s. It said %s",
            *(seconds, why),
        )


def _written(term: Term) -> str:
    if not term.values:
        return f"{term.dimension} eq '*'"
    operator, join = ("ne", " and ") if term.negated else ("eq", " or ")
    told = join.join(
        f"{term.dimension} {operator} '{value.replace(chr(39), chr(39) * 2)}'"
        for value in term.values
    )
    return f"({told})" if len(term.values) > 1 else told


def _lines(query: MetricQuery, metric: Metric, told: Mapping[str, Any]) -> list[OutsideLine]:
    """Series that differ in nothing that is shown are one."""
    shown = [term.dimension for term in query.terms if term.dimension not in query.rolled_up]
    found: dict[tuple[str, ...], dict[int, list[dict[str, float]]]] = {}
    for series in told["timeseries"]:
        values = {
            each["name"]["value"].casefold(): str(each["value"])
            for each in series.get("metadatavalues", ())
        }
        apart = tuple(values.get(name.casefold(), "") for name in shown)
        by_time = found.setdefault(apart, {})
        for point in series["data"]:
            by_time.setdefault(_seconds(point["timeStamp"]), []).append(point)
    return [
        OutsideLine(
            dict(zip(shown, apart, strict=True)),
            {at: _values(query, metric, points) for at, points in by_time.items()},
        )
        for apart, by_time in found.items()
    ]


def _values(query: MetricQuery, metric: Metric, points: Sequence[Mapping[str, Any]]) -> Values:
    known = [p for p in points if any(p.get(name) is not None for name in _NAMES.values())]
    total = float(sum(point.get("total") or 0 for point in known))
    if metric.form is Form.COUNTED:
        seconds = query.until - query.since if query.interval is None else query.interval
        return {
            Aggregation.AVERAGE: total * metric.per / seconds,
            Aggregation.TOTAL: total,
            Aggregation.COUNT: total,
        }
    count = sum(point.get("count") or 0 for point in known)
    if not count:
        return {}
    return {
        Aggregation.AVERAGE: total / count,
        Aggregation.MINIMUM: min(float(point["minimum"]) for point in known),
        Aggregation.MAXIMUM: max(float(point["maximum"]) for point in known),
        Aggregation.COUNT: count,
    }


def _at(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
