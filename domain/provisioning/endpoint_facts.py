"""What is told of endpoints and deployments that come, change and go."""

from typing import Literal

from domain.ground.facts import EventType, Fact
from domain.ground.operation import ErrorRecord
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import TrackedResource
from domain.ports import Json

EndpointKind = Literal["onlineEndpoints", "batchEndpoints"]

_ENDPOINT = {
    "onlineEndpoints": {
        "created": EventType.ONLINE_ENDPOINT_CREATED,
        "updated": EventType.ONLINE_ENDPOINT_UPDATED,
        "deleted": EventType.ONLINE_ENDPOINT_DELETED,
    },
    "batchEndpoints": {
        "created": EventType.BATCH_ENDPOINT_CREATED,
        "updated": EventType.BATCH_ENDPOINT_UPDATED,
        "deleted": EventType.BATCH_ENDPOINT_DELETED,
    },
}
_DEPLOYMENT = {
    "onlineEndpoints": {
        "ready": EventType.ONLINE_DEPLOYMENT_READY,
        "failed": EventType.ONLINE_DEPLOYMENT_FAILED,
        "deleted": EventType.ONLINE_DEPLOYMENT_DELETED,
    },
    "batchEndpoints": {
        "ready": EventType.BATCH_DEPLOYMENT_READY,
        "failed": EventType.BATCH_DEPLOYMENT_FAILED,
        "deleted": EventType.BATCH_DEPLOYMENT_DELETED,
    },
}


def ended(
    kind: EndpointKind,
    resource: TrackedResource,
    state: ProvisioningState,
    error: ErrorRecord | None = None,
) -> list[Fact]:
    """The operation that `resource` was in has ended in `state`; or a deployment that had
    succeeded has died."""
    data = _resource_data(resource)
    if "endpoint" in data and "deployment" in data:
        word = "ready" if state is ProvisioningState.SUCCEEDED else "failed"
        if error is not None:
            data["error"] = error.to_document()
        return [Fact(type=_DEPLOYMENT[kind][word], subject=_subject(kind, resource), data=data)]
    word = "created" if resource.provisioning_state is ProvisioningState.CREATING else "updated"
    return [Fact(type=_ENDPOINT[kind][word], subject=_subject(kind, resource), data=data)]


def deleted(kind: EndpointKind, *resources: TrackedResource) -> list[Fact]:
    """They are gone."""
    return [
        Fact(
            type=(_DEPLOYMENT if hasattr(gone, "endpoint") else _ENDPOINT)[kind]["deleted"],
            subject=_subject(kind, gone),
            data=_resource_data(gone),
        )
        for gone in resources
    ]


def _resource_data(resource: TrackedResource) -> Json:
    owner = getattr(resource, "endpoint", None)
    if owner is None:
        return {"endpoint": resource.name}
    return {"endpoint": owner, "deployment": resource.name}


def _subject(kind: EndpointKind, resource: TrackedResource) -> str:
    owner = getattr(resource, "endpoint", None)
    if owner is None:
        return f"{kind}/{resource.name}"
    return f"{kind}/{owner}/deployments/{resource.name}"
