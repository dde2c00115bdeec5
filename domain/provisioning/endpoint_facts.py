"""What is told of endpoints and deployments that come, change and go."""

from domain.ground.facts import EventType, Fact
from domain.ground.operation import ErrorRecord
from domain.ground.provisioning_state import ProvisioningState
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


def endpoint_ended(kind: EndpointKind, place: Place, before: ProvisioningState) -> list[Fact]:
    """The operation that the endpoint was in, as `before` says, has ended well."""
    word = "created" if before is ProvisioningState.CREATING else "updated"
    return [_fact(kind, place, _ENDPOINT[kind][word])]


def deployment_ready(kind: EndpointKind, place: Place) -> list[Fact]:
    return [_fact(kind, place, _DEPLOYMENT[kind]["ready"])]


def deployment_failed(kind: EndpointKind, place: Place, error: ErrorRecord) -> list[Fact]:
    """Its operation has failed; or it had succeeded, and has died."""
    return [_fact(kind, place, _DEPLOYMENT[kind]["failed"], error=error.to_document())]


def deleted(kind: EndpointKind, *places: Place) -> list[Fact]:
    """They are gone."""
    return [
        _fact(kind, place, (_DEPLOYMENT if place.is_deployment else _ENDPOINT)[kind]["deleted"])
        for place in places
    ]


def _fact(kind: EndpointKind, place: Place, type: EventType, **more: object) -> Fact:
    data: Json = {"endpoint": place.endpoint}
    subject = f"{kind}/{place.endpoint}"
    if place.deployment is not None:
        data["deployment"] = place.deployment
        subject = f"{subject}/deployments/{place.deployment}"
    return Fact(type=type, subject=subject, data={**data, **more})
