"""Metric alerts, as Azure Monitor has them, and what of them has fired."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.alerts.metric_alert import FiredAlert, MetricAlert, MetricAlertProperties
from domain.alerts.metric_alerts import MetricAlerts
from domain.ground.resource import Stored, Wanted
from handlers import wire
from handlers.control import named_resources
from handlers.control.named_resources import NamedCollection
from handlers.http import Routes, json_response, render_resource

PATH = "metricAlerts"

ARM_FIELDS: wire.ArmFields = {
    MetricAlertProperties: wire.OtherFields(
        read_only=("provisioningState", "lastUpdatedTime", "isMigrated", "lookedAt", "status"),
        refused={
            "actions": "Whoever is to be told subscribes to MlEndpoints.Alert.Fired and "
            "MlEndpoints.Alert.Resolved (eventSubscriptions).",
        },
    ),
}


def blueprint(routes: Routes, alerts: MetricAlerts) -> func.Blueprint:
    bp = func.Blueprint()

    async def rendered(stored: Stored[MetricAlert]) -> dict[str, Any]:
        return _rendered(routes, stored.resource)

    named_resources.add(
        routes,
        bp,
        NamedCollection(
            noun="metric_alert",
            title="a metric alert",
            path=PATH,
            body=Wanted[MetricAlertProperties],
            fields=ARM_FIELDS,
            get=alerts.resources.get,
            list=alerts.resources.list,
            put=alerts.put,
            delete=alerts.delete,
            render=rendered,
        ),
    )

    @routes.arm(
        bp,
        "GET",
        f"{PATH}/{{name}}/status",
        action=f"{PATH}/read",
        summary="What of a metric alert has fired: each resource and series by itself",
    )
    async def get_metric_alert_status(req: Request) -> Response:
        stored = await alerts.resources.get(req.path_params["name"])
        return json_response({"value": _statuses(routes, stored.resource)})

    return bp


def _rendered(routes: Routes, alert: MetricAlert) -> dict[str, Any]:
    at = alert.looked_at
    read_only: dict[str, Any] = {
        "lookedAt": at.isoformat() if at else None,
        "lastUpdatedTime": alert.modified_at.isoformat(),
        "status": _status(alert),
    }
    return render_resource(alert, routes.scope.path(PATH, alert.name), PATH, read_only)


def _status(alert: MetricAlert) -> str:
    if not alert.properties.enabled:
        return "Disabled"
    return "Unhealthy" if alert.fired else "Healthy"


def _statuses(routes: Routes, alert: MetricAlert) -> list[dict[str, Any]]:
    at = alert.looked_at
    healthy = {"status": _status(alert), "timestamp": at.isoformat() if at else None}
    told = [_fired(routes, each) for each in alert.fired] or [{"dimensions": {}, **healthy}]
    return [
        {
            "id": routes.scope.path(PATH, alert.name, "status", str(number)),
            "name": str(number),
            "type": "Microsoft.Insights/metricAlerts/status",
            "properties": properties,
        }
        for number, properties in enumerate(told)
    ]


def _fired(routes: Routes, each: FiredAlert) -> dict[str, Any]:
    return {
        "dimensions": each.dimensions,
        "status": "Unhealthy",
        "timestamp": each.fired_at.isoformat(),
        "resource": routes.scope.path(each.resource) if each.resource else routes.scope.id,
        "values": each.values,
    }
