"""What deployments were wished to be, time after time: ours."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.batch.activities import BatchActivities
from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.ground.resource import Stored, TrackedResource
from domain.names import PROVIDER
from domain.online.activities import OnlineActivities
from domain.online.online_deployment import OnlineDeploymentProperties
from domain.provisioning.deployment_revisions import DeploymentRevision, DeploymentRevisions
from domain.values import Value
from handlers import wire
from handlers.http import Routes

D = TypeVar("D", bound=TrackedResource)


@dataclass(frozen=True)
class _Of(Generic[D]):
    noun: str
    collection: str
    get: Callable[[str, str], Awaitable[Stored[D]]]
    revisions: DeploymentRevisions[D]
    properties: type[Value]


def blueprint(routes: Routes, online: OnlineActivities, batch: BatchActivities) -> func.Blueprint:
    bp = func.Blueprint()
    documents, kept = online.documents.deployment, online.revisions
    _add(routes, bp, _Of("online", "onlineEndpoints", documents, kept, OnlineDeploymentProperties))
    others = batch.documents.deployment
    _add(
        routes,
        bp,
        _Of("batch", "batchEndpoints", others, batch.revisions, BatchDeploymentProperties),
    )
    return bp


def _add(routes: Routes, bp: func.Blueprint, of: _Of[D]) -> None:
    @routes.arm(
        bp,
        "GET",
        f"{of.collection}/{{endpoint}}/deployments/{{deployment}}/revisions",
        name=f"list_{of.noun}_deployment_revisions",
        action=f"{of.collection}/deployments/read",
        summary=f"What a deployment of a {of.noun} endpoint was asked to be, newest first, by whom",
        lists=True,
    )
    async def list_(req: Request) -> Response:
        endpoint, name = req.path_params["endpoint"], req.path_params["deployment"]
        deployment = (await of.get(endpoint, name)).resource
        id = routes.scope.path(of.collection, endpoint, "deployments", deployment.name)
        found = await of.revisions.of(deployment)
        shown = [_rendered(each, of, id, deployment) for each in found]
        shown[0]["isCurrent"] = True
        return routes.page(req, shown, None)


def _rendered(
    revision: DeploymentRevision, of: _Of[D], deployment: str, current: D
) -> dict[str, Any]:
    asked = of.properties.from_document(revision.asked)
    proven: Value | None = getattr(current, "proven", None)
    return {
        "id": f"{deployment}/revisions/{revision.number}",
        "name": str(revision.number),
        "type": f"{PROVIDER}/workspaces/{of.collection}/deployments/revisions",
        "tags": revision.tags,
        "sku": None if revision.instances is None else {"capacity": revision.instances},
        "properties": wire.to_wire(asked),
        "isCurrent": False,
        "hasSucceeded": proven is not None and proven == asked,
        "systemData": {"createdAt": revision.since.isoformat(), "createdBy": revision.by},
    }
