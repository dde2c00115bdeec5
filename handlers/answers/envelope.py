"""What answers have in common, as the OpenAPI document tells it. These models describe what the
modules beside the routes render; tests hold every answer of theirs against them."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from domain.ground.operation import ErrorRecord
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Identity, Sku
from domain.values import Value, unsaid

P = TypeVar("P")
T = TypeVar("T")
Maybe = Annotated[T | None, unsaid(None)]
"""Left out where there is none."""


class SystemData(Value):
    created_at: datetime
    created_by: Maybe[str] = None
    created_by_type: Maybe[str] = None
    last_modified_at: Maybe[datetime] = None
    last_modified_by: Maybe[str] = None
    last_modified_by_type: Maybe[str] = None


class ResourceAnswer(Value, Generic[P]):
    id: str
    name: str
    type: str
    properties: P
    system_data: SystemData


class TrackedAnswer(ResourceAnswer[P], Generic[P]):
    location: str
    tags: dict[str, str]
    identity: Identity | None
    kind: str | None
    sku: Sku | None


class Provisioned(Value):
    """Of what the host works on; `error` is why the last operation failed."""

    provisioning_state: ProvisioningState
    error: Maybe[ErrorRecord] = None
