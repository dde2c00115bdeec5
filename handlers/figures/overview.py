"""The whole workspace at a glance: what a page that shows it needs, in one read that is cheap to
repeat."""

import hashlib
import json
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response
from pydantic_core import PydanticSerializationError, to_json

from domain.ground import access
from domain.ledger.counting.account import BATCH, ONLINE
from domain.names import PROVIDER
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.overview.overview_reading import Listed, Overview, OverviewReading
from domain.overview.request_rates import MINUTES, RequestRates
from domain.ports import Principal
from handlers import wire
from handlers.answers.overview import OverviewAnswer
from handlers.control.online_endpoints import rollout_status
from handlers.data.job_view import progress_of
from handlers.http import Routes, anywhere, caller

PATH = "overview"


def blueprint(routes: Routes, reading: OverviewReading) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "GET",
        PATH,
        action="overview/read",
        at=anywhere,
        summary="Endpoints with traffic, states, rates, failures and costs, and the jobs that have "
        "not ended: as much of them as the caller may read",
        answer=OverviewAnswer,
        statuses=(200, 304),
    )
    async def get_overview(req: Request) -> Response:
        found = await reading.read()
        text = written(render(routes, caller(req), found))
        etag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
        known = [each.strip() for each in req.headers.get("if-none-match", "").split(",")]
        if etag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(text, media_type="application/json", headers=headers)

    return bp


def written(shown: dict[str, Any]) -> bytes:
    """As JSON: the same bytes for the same."""
    try:
        return to_json(shown)
    except PydanticSerializationError:
        # A tag may hold half a surrogate pair, which UTF-8 has no bytes for; here it is escaped.
        return json.dumps(shown, separators=(",", ":")).encode()


def render(routes: Routes, who: Principal, found: Overview) -> dict[str, Any]:
    """What `who` may read of it; the same text for as long as nothing in it changes."""

    def may(collection: str, name: str) -> bool:
        return access.allows(who, f"{collection}/read", f"{collection}/{name}")

    return {
        "id": routes.scope.path(PATH),
        "name": PATH,
        "type": f"{PROVIDER}/workspaces/{PATH}",
        "properties": {
            "ratesOverMinutes": MINUTES,
            "costsToday": {
                "day": found.costs.day.isoformat(),
                "currency": found.costs.currency,
                "isSample": found.costs.is_sample,
                "unpricedInstanceTypes": list(found.costs.unpriced),
            },
            "onlineEndpoints": [
                _online(routes, found, each)
                for each in found.online
                if may("onlineEndpoints", each.endpoint.name)
            ],
            "batchEndpoints": [
                _batch(routes, found, each)
                for each in found.batch
                if may("batchEndpoints", each.endpoint.name)
            ],
            "jobs": [
                {
                    "id": routes.scope.path("jobs", view.job.name),
                    "name": view.job.name,
                    "endpointName": view.job.endpoint,
                    "deploymentName": view.job.deployment,
                    "status": view.job.status.value,
                    "createdAt": view.job.created_at.isoformat(),
                    "createdBy": view.job.created_by,
                    "progress": progress_of(view),
                    "costToday": _cost(found.costs.by_job.get(view.job.name, 0.0)),
                }
                for view in found.jobs
                if access.allows(who, "jobs/read", f"batchEndpoints/{view.job.endpoint}")
            ],
        },
    }


def _online(
    routes: Routes, found: Overview, listed: Listed[OnlineEndpoint, OnlineDeployment]
) -> dict[str, Any]:
    endpoint = listed.endpoint
    place = routes.scope.path("onlineEndpoints", endpoint.name)
    return {
        **_common(place, endpoint),
        "authMode": endpoint.properties.auth_mode.value,
        "traffic": endpoint.properties.traffic,
        "mirrorTraffic": endpoint.properties.mirror_traffic,
        "rolloutStatus": rollout_status(endpoint.rollout) if endpoint.rollout else None,
        "tags": endpoint.tags,
        **_rates(found.rates_of(endpoint.name)),
        "costToday": _cost(found.costs.of(ONLINE, endpoint.name)),
        "deployments": [
            {
                **_common(f"{place}/deployments/{each.name}", each),
                "instances": _instances(found, each),
                "instanceType": each.properties.instance_type,
                **_rates(found.rates_of(endpoint.name, each.name)),
                "costToday": _cost(found.costs.of(ONLINE, endpoint.name, each.name)),
            }
            for each in listed.deployments
        ],
    }


def _instances(found: Overview, deployment: OnlineDeployment) -> int:
    """As many as are wanted now."""
    place = deployment.endpoint.casefold(), deployment.name.casefold()
    scale = found.scales.get(place) if deployment.bounds is not None else None
    return deployment.instance_count if scale is None else scale.instances


def _batch(routes: Routes, found: Overview, listed: Listed[Any, Any]) -> dict[str, Any]:
    endpoint = listed.endpoint
    place = routes.scope.path("batchEndpoints", endpoint.name)
    defaults = endpoint.properties.defaults
    return {
        **_common(place, endpoint),
        "defaultDeployment": defaults.deployment_name if defaults else None,
        "tags": endpoint.tags,
        "costToday": _cost(found.costs.of(BATCH, endpoint.name)),
        "deployments": [
            {
                **_common(f"{place}/deployments/{each.name}", each),
                "costToday": _cost(found.costs.of(BATCH, endpoint.name, each.name)),
            }
            for each in listed.deployments
        ],
    }


def _common(id: str, resource: Any) -> dict[str, Any]:
    return {
        "id": id,
        "name": resource.name,
        "provisioningState": resource.provisioning_state.value,
        "error": wire.to_wire(resource.error) if resource.error else None,
    }


def _rates(rates: RequestRates) -> dict[str, Any]:
    """Rounded, so that what goes on as it was looks as it did."""
    return {
        "requestsPerMinute": round(rates.requests, 1),
        "failuresPerMinute": round(rates.failures, 1),
        "latencyP95": None if rates.p95 is None else float(f"{rates.p95:.3g}"),
    }


def _cost(cost: float) -> float:
    """In whole hundredths: it grows all the time, and an answer that changes is sent anew."""
    return round(cost, 2)
