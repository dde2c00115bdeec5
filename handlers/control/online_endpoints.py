"""Online endpoints and their deployments on the control plane."""

from dataclasses import asdict
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.ground.resource import Wanted
from domain.online.activities import OnlineActivities
from domain.online.deployment_scale import DeploymentScale
from domain.online.online_deployment import OnlineDeployment, OnlineDeploymentProperties
from domain.online.online_endpoint import OnlineEndpoint, OnlineEndpointProperties
from domain.online.traffic.rollout import Rollout
from domain.ports import Capabilities
from handlers import log_asking, wire
from handlers.access import endpoint_keys
from handlers.answers.online import OnlineDeploymentAnswer, OnlineEndpointAnswer
from handlers.auditing import Kept
from handlers.control.tracked_resources import PROGRESS, Collection, add
from handlers.http import Routes, json_response, render_resource
from handlers.log_asking import GetLogs

READ_ONLY = ("provisioningState", "scoringUri", "swaggerUri", "error", "rolloutStatus")
ITEM = "onlineEndpoints/{endpoint}"
DEPLOYMENT_ITEM = f"{ITEM}/deployments/{{deployment}}"

ARM_FIELDS: wire.ArmFields = {
    OnlineEndpointProperties: wire.OtherFields(read_only=READ_ONLY),
    OnlineDeploymentProperties: wire.OtherFields(
        read_only=(*READ_ONLY, "scaleStatus", "warnings"),
        refused={
            "startupProbe": "There is no startup probe; readinessProbe is tried from the start.",
            "privateNetworkConnection": "Network access is decided by where the host listens.",
        },
    ),
}


def blueprint(routes: Routes, online: OnlineActivities) -> func.Blueprint:
    bp = func.Blueprint()
    add(routes, bp, endpoints(routes, online))
    add(routes, bp, deployments(routes, online))

    endpoint_keys.add(routes, bp, "online", online.keys)

    @routes.arm(
        bp,
        "POST",
        f"{DEPLOYMENT_ITEM}/getLogs",
        action="onlineEndpoints/deployments/getLogs/action",
        summary="What a deployment's instances printed",
        body=GetLogs,
        may_lack_body=True,
        kept=Kept.NOTHING,
    )
    async def get_online_deployment_logs(req: Request) -> Response:
        asked = await wire.read(req, GetLogs, may_lack=True)
        names = req.path_params
        tail = await online.deployments.log(
            names["endpoint"], names["deployment"], asked.container_type
        )
        return json_response(await log_asking.answered(asked, tail))

    return bp


def endpoints(routes: Routes, online: OnlineActivities) -> Collection[OnlineEndpoint]:
    return Collection(
        noun="online_endpoint",
        title="an online endpoint",
        path="onlineEndpoints",
        item_path=ITEM,
        parameters=("endpoint",),
        actions="onlineEndpoints",
        body=Wanted[OnlineEndpointProperties],
        answer=OnlineEndpointAnswer,
        fields=ARM_FIELDS,
        get=online.documents.endpoint,
        list=online.documents.endpoints,
        put=online.provisioning.put_endpoint,
        faults=online.checking.endpoint_faults,
        delete=online.provisioning.delete_endpoint,
        render=lambda endpoint: render_endpoint(routes, endpoint),
    )


def deployments(routes: Routes, online: OnlineActivities) -> Collection[OnlineDeployment]:
    return Collection(
        noun="online_deployment",
        title="a deployment of an online endpoint",
        path=f"{ITEM}/deployments",
        item_path=DEPLOYMENT_ITEM,
        parameters=("endpoint", "deployment"),
        actions="onlineEndpoints/deployments",
        body=Wanted[OnlineDeploymentProperties],
        answer=OnlineDeploymentAnswer,
        fields=ARM_FIELDS,
        get=online.deployments.get,
        list=online.deployments.list,
        put=online.provisioning.put_deployment,
        faults=online.checking.deployment_faults,
        delete=online.provisioning.delete_deployment,
        render=lambda deployment: render_deployment(routes, online.capabilities, deployment),
    )


def render_endpoint(routes: Routes, endpoint: OnlineEndpoint) -> dict[str, Any]:
    place = routes.addresses.of_online_endpoint(endpoint.name)
    read_only = {
        "scoringUri": f"{place}/score",
        "swaggerUri": f"{place}/swagger.json",
        **progress(routes, endpoint),
    }
    if endpoint.rollout is not None:
        read_only["rolloutStatus"] = rollout_status(endpoint.rollout)
    arm_id = routes.scope.path("onlineEndpoints", endpoint.name)
    return render_resource(endpoint, arm_id, "onlineEndpoints", read_only)


def rollout_status(rollout: Rollout) -> dict[str, Any]:
    """Where a rollout stands; steps count from 1."""
    shown = wire.to_wire(rollout)
    del shown["plan"]
    steps = len(rollout.plan.steps)
    return {**shown, "step": rollout.step + 1, "steps": steps, "traffic": rollout.traffic}


def render_deployment(
    routes: Routes, capabilities: Capabilities, deployment: OnlineDeployment
) -> dict[str, Any]:
    arm_id = routes.scope.path(
        "onlineEndpoints", deployment.endpoint, "deployments", deployment.name
    )
    read_only = {**progress(routes, deployment), **isolation(capabilities)}
    if deployment.scale is not None:
        read_only["scaleStatus"] = scale_status(deployment.scale)
    body = render_resource(deployment, arm_id, "onlineEndpoints/deployments", read_only)
    body["sku"] = {"name": "Default", **(body["sku"] or {}), "capacity": deployment.instance_count}
    return body


def scale_status(scale: DeploymentScale) -> dict[str, Any]:
    """How many instances are wanted now, and the last decision with its reason."""
    last = scale.last_decision
    return {"instances": scale.instances, "lastDecision": wire.to_wire(last) if last else None}


def isolation(capabilities: Capabilities) -> dict[str, Any]:
    """What keeps scripts apart where this host runs them, and what does not."""
    parts = capabilities.isolation()
    return {"isolation": [asdict(part) for part in parts]} if parts else {}


def progress(routes: Routes, resource: Any) -> dict[str, Any]:
    """Where SDK clients look for the running operation, and why the last one failed."""
    shown: dict[str, Any] = {}
    if resource.operation_id:
        shown["properties"] = {
            **resource.properties.properties,
            PROGRESS: routes.operation_url(resource.operation_id),
        }
    if resource.error:
        shown["error"] = wire.to_wire(resource.error)
    return shown
