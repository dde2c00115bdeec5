"""Figures over time, read as Azure Monitor's metrics are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.batch.activities import BatchActivities
from domain.figures.figure_reading import FigureReading
from domain.figures.metrics import BATCH_ENDPOINTS, DEPLOYMENTS, ENDPOINTS, WORKSPACES
from domain.ground.counting.tally import (
    batch_endpoint_subject,
    deployment_subject,
    endpoint_subject,
)
from domain.online.activities import OnlineActivities
from handlers.control.online_endpoints import DEPLOYMENT_ITEM, ITEM
from handlers.figures.metric_asking import Asking
from handlers.figures.metric_view import definitions, render, render_metadata
from handlers.http import Routes, json_response

_INSIGHTS = "providers/Microsoft.Insights"
_PARAMETERS = (
    *("metricnames", "timespan", "interval", "aggregation", "$filter", "top", "orderby"),
    *("metricnamespace", "resultType", "AutoAdjustTimegrain", "rollupby"),
)
QUERY: dict[str, Any] = {name: {"type": "string"} for name in _PARAMETERS}


@dataclass(frozen=True)
class Measured:
    """What has metrics: `subject` names it, and raises NotFound where it is not there."""

    noun: str
    title: str
    path: str
    action: str
    namespace: str
    subject: Callable[[Request], Awaitable[tuple[str, str]]]
    """Its id, and what its figures are kept under."""


def blueprint(
    routes: Routes,
    reading: FigureReading,
    online: OnlineActivities,
    batch: BatchActivities,
    location: str,
) -> func.Blueprint:
    bp = func.Blueprint()

    async def endpoint(req: Request) -> tuple[str, str]:
        stored = await online.documents.endpoint(req.path_params["endpoint"])
        name = stored.resource.name
        return routes.scope.path("onlineEndpoints", name), endpoint_subject(name)

    async def deployment(req: Request) -> tuple[str, str]:
        names = req.path_params
        stored = await online.deployments.get(names["endpoint"], names["deployment"])
        of, name = stored.resource.endpoint, stored.resource.name
        path = routes.scope.path("onlineEndpoints", of, "deployments", name)
        return path, deployment_subject(of, name)

    async def batch_endpoint(req: Request) -> tuple[str, str]:
        stored = await batch.documents.endpoint(req.path_params["endpoint"])
        name = stored.resource.name
        return routes.scope.path("batchEndpoints", name), batch_endpoint_subject(name)

    async def workspace(req: Request) -> tuple[str, str]:
        return routes.scope.id, ""

    measured = (
        Measured(
            "online_endpoint", "an online endpoint", ITEM, "onlineEndpoints", ENDPOINTS, endpoint
        ),
        Measured(
            "online_deployment",
            "a deployment of an online endpoint",
            DEPLOYMENT_ITEM,
            "onlineEndpoints/deployments",
            DEPLOYMENTS,
            deployment,
        ),
        Measured(
            "batch_endpoint",
            "a batch endpoint, its jobs and drops",
            "batchEndpoints/{endpoint}",
            "batchEndpoints",
            BATCH_ENDPOINTS,
            batch_endpoint,
        ),
        Measured("workspace", "the workspace", "", "workspaces", WORKSPACES, workspace),
    )
    for each in measured:
        _add(routes, bp, each, reading, location)
    return bp


def _add(
    routes: Routes,
    bp: func.Blueprint,
    measured: Measured,
    reading: FigureReading,
    location: str,
) -> None:
    prefix = f"{measured.path}/{_INSIGHTS}" if measured.path else _INSIGHTS

    @routes.arm(
        bp,
        "GET",
        f"{prefix}/metrics",
        action=f"{measured.action}/metrics/read",
        summary=f"Figures over time of {measured.title}, as Azure Monitor has them",
        name=f"list_{measured.noun}_metrics",
        query=QUERY,
    )
    async def list_metrics(req: Request) -> Response:
        resource, subject = await measured.subject(req)
        given = {name.casefold(): value for name, value in req.query_params.items()}
        query = Asking(given, measured.namespace, subject, reading).query(reading.now())
        answers = await reading.read(query)
        is_metadata = given.get("resulttype", "").casefold() == "metadata"
        shown = render_metadata if is_metadata else render
        return json_response(shown(resource, measured.namespace, location, query, answers))

    @routes.arm(
        bp,
        "GET",
        f"{prefix}/metricDefinitions",
        action=f"{measured.action}/metricDefinitions/read",
        summary=f"Which metrics there are of {measured.title}",
        name=f"list_{measured.noun}_metric_definitions",
    )
    async def list_metric_definitions(req: Request) -> Response:
        resource, _ = await measured.subject(req)
        return json_response({"value": definitions(resource, measured.namespace, reading.keeps)})
