"""A batch endpoint: a stable name over batch deployments, one of them the default."""

from typing import Annotated

from domain.ground.access import AuthMode
from domain.ground.keys import EndpointKeys, SealedKeys
from domain.ground.resource import StringMap, Text, TrackedResource
from domain.values import Value, unsaid

KIND = "batchEndpoint"
DOCUMENT_ID = "endpoint"


def partition(endpoint: str) -> str:
    """Holds the endpoint, its deployments and their operations."""
    return f"batchEndpoints/{endpoint.casefold()}"


class BatchEndpointDefaults(Value):
    """The deployment that jobs run on when they name none."""

    deployment_name: str | None = None


class BatchEndpointProperties(Value):
    """What its user wants. In authMode Key its callers may use its keys too (in Azure ML they
    cannot)."""

    auth_mode: AuthMode = AuthMode.AAD_TOKEN
    description: Text | None = None
    defaults: BatchEndpointDefaults = BatchEndpointDefaults()
    properties: StringMap = {}
    keys: Annotated[EndpointKeys | None, unsaid(None)] = None


class BatchEndpoint(TrackedResource):
    """`sealed_keys` are there in authMode Key alone."""

    properties: BatchEndpointProperties
    sealed_keys: Annotated[SealedKeys | None, unsaid(None)] = None
