"""What is told of metric alerts."""

from datetime import datetime
from typing import Any

from domain.alerts.metric_alert import FiredAlert, MetricAlert
from domain.ground.facts import EventType, Fact


def fired(alert: MetricAlert, each: FiredAlert) -> Fact:
    return _fact(EventType.ALERT_FIRED, alert, each, {})


def resolved(alert: MetricAlert, each: FiredAlert, now: datetime, reason: str) -> Fact:
    told = {"resolvedAt": now.isoformat(), "reason": reason}
    return _fact(EventType.ALERT_RESOLVED, alert, each, told)


def _fact(type: EventType, alert: MetricAlert, each: FiredAlert, more: dict[str, Any]) -> Fact:
    asked = alert.properties
    conditions = [
        {
            "name": criterion.name,
            "metric": criterion.metric_name,
            "aggregation": criterion.time_aggregation.value,
            "operator": criterion.operator.value,
            "threshold": criterion.threshold,
            "value": each.values.get(criterion.name),
        }
        for criterion in asked.criteria.all_of
    ]
    data = {
        "alert": alert.name,
        "severity": asked.severity,
        "description": asked.description,
        "resource": each.resource,
        "dimensions": each.dimensions,
        "conditions": conditions,
        "windowSeconds": asked.window_size.total_seconds(),
        "firedAt": each.fired_at.isoformat(),
        "condition": _said(conditions, each),
        **more,
    }
    return Fact(type=type, subject=f"metricAlerts/{alert.name}", data=data)


def _said(conditions: list[dict[str, Any]], each: FiredAlert) -> str:
    where = ", ".join(f"{name} {value}" for name, value in each.dimensions.items())
    said = " and ".join(
        f"{c['aggregation']} {c['metric']} {_number(c['value'])} is "
        f"{_WORDS[c['operator']]} {c['threshold']:g}"
        for c in conditions
    )
    return f"{said} in {each.resource or 'the workspace'}{f' ({where})' if where else ''}"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"


_WORDS = {
    "GreaterThan": "above",
    "GreaterThanOrEqual": "at or above",
    "LessThan": "below",
    "LessThanOrEqual": "at or below",
    "Equals": "equal to",
}
