"""Batch endpoints and their deployments on the control plane."""

from typing import Any

import azure.functions as func

from domain.batch.activities import BatchActivities
from domain.batch.batch_deployment import BatchDeployment, BatchDeploymentProperties
from domain.batch.batch_endpoint import BatchEndpoint, BatchEndpointProperties
from domain.ground.resource import Wanted
from domain.ports import Capabilities
from handlers import wire
from handlers.access import endpoint_keys
from handlers.answers.batch import BatchDeploymentAnswer, BatchEndpointAnswer
from handlers.control.online_endpoints import isolation, progress
from handlers.control.tracked_resources import Collection, add
from handlers.http import Routes, render_resource

READ_ONLY = ("provisioningState", "scoringUri", "swaggerUri", "error")
ITEM = "batchEndpoints/{endpoint}"

ARM_FIELDS: wire.ArmFields = {
    BatchEndpointProperties: wire.OtherFields(read_only=READ_ONLY),
    BatchDeploymentProperties: wire.OtherFields(
        read_only=(*READ_ONLY, "warnings"),
        refused={
            "deploymentConfiguration": "Pipeline deployments are not there yet; deploy a model.",
        },
    ),
}


def blueprint(routes: Routes, batch: BatchActivities) -> func.Blueprint:
    bp = func.Blueprint()
    add(routes, bp, endpoints(routes, batch))
    add(routes, bp, deployments(routes, batch))
    endpoint_keys.add(routes, bp, "batch", batch.keys)
    return bp


def endpoints(routes: Routes, batch: BatchActivities) -> Collection[BatchEndpoint]:
    return Collection(
        noun="batch_endpoint",
        title="a batch endpoint",
        path="batchEndpoints",
        item_path=ITEM,
        parameters=("endpoint",),
        actions="batchEndpoints",
        body=Wanted[BatchEndpointProperties],
        answer=BatchEndpointAnswer,
        fields=ARM_FIELDS,
        get=batch.documents.endpoint,
        list=batch.documents.endpoints,
        put=batch.provisioning.put_endpoint,
        faults=batch.checking.endpoint_faults,
        delete=batch.provisioning.delete_endpoint,
        render=lambda endpoint: render_endpoint(routes, endpoint),
    )


def deployments(routes: Routes, batch: BatchActivities) -> Collection[BatchDeployment]:
    return Collection(
        noun="batch_deployment",
        title="a deployment of a batch endpoint",
        path=f"{ITEM}/deployments",
        item_path=f"{ITEM}/deployments/{{deployment}}",
        parameters=("endpoint", "deployment"),
        actions="batchEndpoints/deployments",
        body=Wanted[BatchDeploymentProperties],
        answer=BatchDeploymentAnswer,
        fields=ARM_FIELDS,
        get=batch.documents.deployment,
        list=batch.documents.deployments,
        put=batch.provisioning.put_deployment,
        faults=batch.checking.deployment_faults,
        delete=batch.provisioning.delete_deployment,
        render=lambda deployment: render_deployment(routes, batch.capabilities, deployment),
    )


def render_endpoint(routes: Routes, endpoint: BatchEndpoint) -> dict[str, Any]:
    jobs = f"{routes.addresses.of_endpoint(endpoint.name)}/jobs"
    read_only = {"scoringUri": jobs, "swaggerUri": None, **progress(routes, endpoint)}
    arm_id = routes.scope.path("batchEndpoints", endpoint.name)
    return render_resource(endpoint, arm_id, "batchEndpoints", read_only)


def render_deployment(
    routes: Routes, capabilities: Capabilities, deployment: BatchDeployment
) -> dict[str, Any]:
    arm_id = routes.scope.path(
        "batchEndpoints", deployment.endpoint, "deployments", deployment.name
    )
    return render_resource(
        deployment,
        arm_id,
        "batchEndpoints/deployments",
        {**progress(routes, deployment), **isolation(capabilities)},
    )
