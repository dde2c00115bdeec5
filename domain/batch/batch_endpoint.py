"""A batch endpoint: a stable name over batch deployments, one of them the default."""

from domain.ground.access import AuthMode
from domain.ground.resource import StringMap, Text, TrackedResource
from domain.values import Value

KIND = "batchEndpoint"
DOCUMENT_ID = "endpoint"


def partition(endpoint: str) -> str:
    """Holds the endpoint, its deployments and their operations."""
    return f"batchEndpoints/{endpoint.casefold()}"


class BatchEndpointDefaults(Value):
    """The deployment that jobs run on when they name none."""

    deployment_name: str | None = None


class BatchEndpointProperties(Value):
    """What its user wants. Batch endpoints take tokens only (Azure ML's rule)."""

    auth_mode: AuthMode = AuthMode.AAD_TOKEN
    description: Text | None = None
    defaults: BatchEndpointDefaults = BatchEndpointDefaults()
    properties: StringMap = {}


class BatchEndpoint(TrackedResource):
    properties: BatchEndpointProperties
