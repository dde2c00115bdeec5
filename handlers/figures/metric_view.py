"""Metrics and what there are of them, as Azure Monitor shows them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from domain.figures.metric_query import Line, MetricAnswer, MetricQuery
from domain.figures.metrics import CATALOGUES, Aggregation, Form
from handlers.figures.metric_asking import INTERVALS

_WRITTEN = {seconds: text for text, seconds in INTERVALS.items()}


def render(
    resource: str, namespace: str, region: str, query: MetricQuery, answers: Sequence[MetricAnswer]
) -> dict[str, Any]:
    interval = "FULL" if query.interval is None else _WRITTEN.get(query.interval)
    lines = sum(len(line.points) for answer in answers for line in answer.lines)
    return {
        "cost": lines,
        "timespan": f"{_at(query.since)}/{_at(query.until)}",
        "interval": interval or _duration(timedelta(seconds=query.interval or 0)),
        "namespace": namespace,
        "resourceregion": region,
        "value": [_metric(resource, query, answer) for answer in answers],
    }


def render_metadata(
    resource: str, namespace: str, region: str, query: MetricQuery, answers: Sequence[MetricAnswer]
) -> dict[str, Any]:
    """Which series there are, without their points."""
    whole = render(resource, namespace, region, query, answers)
    del whole["interval"]
    for metric in whole["value"]:
        metric["timeseries"] = [
            {"metadatavalues": series["metadatavalues"]} for series in metric["timeseries"]
        ]
    return whole


def definitions(
    resource: str, namespace: str, keeps: Mapping[int, timedelta]
) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{resource}/providers/Microsoft.Insights/metricDefinitions/{metric.name}",
            "resourceId": resource,
            "namespace": namespace,
            "category": "Traffic" if metric.form in (Form.COUNTED, Form.TIMES) else "Resource",
            "name": {"value": metric.name, "localizedValue": metric.title},
            "displayDescription": metric.description,
            "isDimensionRequired": False,
            "unit": metric.unit.value,
            "primaryAggregationType": metric.aggregations[0].value,
            "supportedAggregationTypes": [each.value for each in metric.aggregations],
            "metricAvailabilities": [
                {"timeGrain": text, "retention": _duration(kept)}
                for text, seconds in INTERVALS.items()
                if (kept := _kept(keeps, seconds)) is not None
            ],
            "dimensions": [{"value": name, "localizedValue": name} for name in metric.asked_by],
            "isOurs": metric.is_ours,
        }
        for metric in CATALOGUES[namespace].values()
    ]


def _kept(keeps: Mapping[int, timedelta], interval: int) -> timedelta | None:
    return max((keep for step, keep in keeps.items() if interval % step == 0), default=None)


def _metric(resource: str, query: MetricQuery, answer: MetricAnswer) -> dict[str, Any]:
    metric = answer.metric
    shown = [a for a in metric.aggregations if a in query.aggregations] or metric.aggregations[:1]
    return {
        "id": f"{resource}/providers/Microsoft.Insights/metrics/{metric.name}",
        "type": "Microsoft.Insights/metrics",
        "name": {"value": metric.name, "localizedValue": metric.title},
        "displayDescription": metric.description,
        "unit": metric.unit.value,
        "timeseries": [_series(line, shown) for line in answer.lines],
        "errorCode": "Success",
        "source": "AzureMonitor" if answer.is_outside else "Store",
    }


def _series(line: Line, shown: Sequence[Aggregation]) -> dict[str, Any]:
    names = [(each, each.value.lower()) for each in shown]
    data = []
    for point in line.points:
        told: dict[str, Any] = {"timeStamp": _at(point.at)}
        for aggregation, name in names:
            if aggregation in point.values:
                told[name] = round(point.values[aggregation], 4)
        data.append(told)
    return {
        "metadatavalues": [
            {"name": {"value": name.lower(), "localizedValue": name.lower()}, "value": value}
            for name, value in line.dimensions.items()
        ],
        "data": data,
    }


@lru_cache(maxsize=16_384)
def _at(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration(time: timedelta) -> str:
    """In ISO 8601."""
    seconds = round(time.total_seconds())
    days, left = divmod(seconds, 86400)
    if not left:
        return f"P{days}D"
    return f"PT{seconds // 60}M" if seconds % 60 == 0 else f"PT{seconds}S"
