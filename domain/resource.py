"""What endpoints and deployments have in common as ARM tracked resources."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from domain.operation import ErrorRecord
from domain.provisioning_state import ProvisioningState
from domain.values import Value

Tags = dict[Annotated[str, Field(max_length=512)], Annotated[str, Field(max_length=256)]]
Text = Annotated[str, Field(max_length=4096)]
StringMap = dict[
    Annotated[str, Field(min_length=1, max_length=256)], Annotated[str, Field(max_length=32768)]
]


class Identity(Value):
    """Accepted and returned; on one machine there is nothing for it to open."""

    type: str = "SystemAssigned"
    user_assigned_identities: dict[str, dict[str, str] | None] | None = None


class Sku(Value):
    """`capacity` is the deployment's instance count."""

    name: str = "Default"
    tier: str | None = None
    size: str | None = None
    family: str | None = None
    capacity: Annotated[int, Field(ge=1, le=50)] | None = None


class TrackedResource(Value):
    """State that every endpoint and deployment carries besides what its user wants.

    `generation` rises with each accepted mutation and `chain` with each takeover by the
    sweep: messages that name older ones are stale. `operation_id` is the operation under
    way, or the last one.
    """

    name: str
    location: str
    tags: Tags = {}
    identity: Identity | None = None
    kind: str | None = None
    sku: Sku | None = None
    provisioning_state: ProvisioningState = ProvisioningState.CREATING
    generation: int = 1
    chain: int = 0
    operation_id: str | None = None
    error: ErrorRecord | None = None
    created_at: datetime
    created_by: str
    modified_at: datetime
    modified_by: str

    def moved(self, state: ProvisioningState, error: ErrorRecord | None = None) -> Self:
        """In `state`. Raises TransitionRefused where the table has no such step."""
        return self.but(provisioning_state=self.provisioning_state.to(state), error=error)
