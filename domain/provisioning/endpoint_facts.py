"""What is told of endpoints and deployments that come, change and go."""

from domain.ground.facts import EventType, Fact
from domain.ground.operation import ErrorRecord
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import TrackedResource
from domain.ports import Json
from domain.provisioning.kind import EndpointKind
from domain.provisioning.place import Place

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


def endpoint_ended(kind: EndpointKind, endpoint: TrackedResource) -> list[Fact]:
    """The operation that the endpoint, as it was before, is in has ended well."""
    created = endpoint.provisioning_state is ProvisioningState.CREATING
    return [_fact(kind, endpoint, _ENDPOINT[kind]["created" if created else "updated"])]


def deployment_ready(kind: EndpointKind, deployment: TrackedResource) -> list[Fact]:
    """The operation that the deployment, as it was before, is in has ended well."""
    return [_fact(kind, deployment, _DEPLOYMENT[kind]["ready"])]


def deployment_failed(
    kind: EndpointKind, deployment: TrackedResource, error: ErrorRecord
) -> list[Fact]:
    """The operation that it, as it was before, is in has failed; or it had succeeded, and has
    died."""
    type = _DEPLOYMENT[kind]["failed"]
    return [_fact(kind, deployment, type, error=error.to_document())]


def deleted(kind: EndpointKind, *resources: TrackedResource) -> list[Fact]:
    """They are gone."""
    return [
        _fact(
            kind,
            resource,
            (_DEPLOYMENT if Place.of(resource).is_deployment else _ENDPOINT)[kind]["deleted"],
        )
        for resource in resources
    ]


def _fact(kind: EndpointKind, resource: TrackedResource, type: EventType, **more: object) -> Fact:
    place = Place.of(resource)
    data: Json = {"endpoint": place.endpoint}
    subject = f"{kind}/{place.endpoint}"
    if place.deployment is not None:
        data["deployment"] = place.deployment
        subject = f"{subject}/deployments/{place.deployment}"
    underway = not resource.provisioning_state.is_terminal
    return Fact(
        type=type,
        subject=subject,
        data={**data, **more},
        generation=resource.generation,
        operation=resource.operation_id if underway else None,
    )
