"""Batch endpoints and their deployments on the control plane."""

from typing import Any

import azure.functions as func

from domain.batch.batch_deployment import BatchDeployment, BatchDeploymentProperties
from domain.batch.batch_endpoint import BatchEndpoint, BatchEndpointProperties
from domain.batch.batch_provisioning import BatchProvisioning
from domain.ground.resource import Wanted
from handlers import wire
from handlers.control.online_endpoints import progress
from handlers.control.tracked_resources import Collection, add
from handlers.http import Routes, render_resource

READ_ONLY = ("provisioningState", "scoringUri", "swaggerUri", "error")
ITEM = "batchEndpoints/{endpoint}"

wire.register(
    BatchEndpointProperties,
    read_only=READ_ONLY,
    refused={"keys": "Batch endpoints take tokens only; there are no keys."},
)
wire.register(
    BatchDeploymentProperties,
    read_only=READ_ONLY,
    refused={
        "deploymentConfiguration": "Pipeline deployments are not there yet; deploy a model.",
    },
)


def blueprint(routes: Routes, batch: BatchProvisioning) -> func.Blueprint:
    bp = func.Blueprint()
    add(routes, bp, endpoints(routes, batch))
    add(routes, bp, deployments(routes, batch))
    return bp


def endpoints(routes: Routes, batch: BatchProvisioning) -> Collection[BatchEndpoint]:
    return Collection(
        noun="batch_endpoint",
        title="a batch endpoint",
        path="batchEndpoints",
        item_path=ITEM,
        parameters=("endpoint",),
        actions="batchEndpoints",
        body=Wanted[BatchEndpointProperties],
        get=batch.endpoint,
        list=batch.endpoints,
        put=batch.put_endpoint,
        delete=batch.delete_endpoint,
        render=lambda endpoint: render_endpoint(routes, batch, endpoint),
    )


def deployments(routes: Routes, batch: BatchProvisioning) -> Collection[BatchDeployment]:
    return Collection(
        noun="batch_deployment",
        title="a deployment of a batch endpoint",
        path=f"{ITEM}/deployments",
        item_path=f"{ITEM}/deployments/{{deployment}}",
        parameters=("endpoint", "deployment"),
        actions="batchEndpoints/deployments",
        body=Wanted[BatchDeploymentProperties],
        get=batch.deployment,
        list=batch.deployments,
        put=batch.put_deployment,
        delete=batch.delete_deployment,
        render=lambda deployment: render_deployment(routes, batch, deployment),
    )


def render_endpoint(
    routes: Routes, batch: BatchProvisioning, endpoint: BatchEndpoint
) -> dict[str, Any]:
    jobs = routes.absolute(f"/endpoints/{endpoint.name}/jobs")
    read_only = {"scoringUri": jobs, "swaggerUri": None, **progress(routes, endpoint)}
    return render_resource(
        endpoint, batch.endpoint_arm_id(endpoint.name), "batchEndpoints", read_only
    )


def render_deployment(
    routes: Routes, batch: BatchProvisioning, deployment: BatchDeployment
) -> dict[str, Any]:
    arm_id = batch.deployment_arm_id(deployment.endpoint, deployment.name)
    return render_resource(
        deployment, arm_id, "batchEndpoints/deployments", progress(routes, deployment)
    )
