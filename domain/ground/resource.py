"""What endpoints and deployments have in common as ARM tracked resources."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from domain.errors import NotFound, PreconditionFailed
from domain.ground.operation import ErrorRecord, Operation
from domain.ground.provisioning_state import ProvisioningState
from domain.ports import Document, Json
from domain.values import Value, unsaid


def _as_text(value: object) -> object:
    """ARM reads a number or a truth value as the text it is; the SDK sends such."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _variable_name(name: str) -> str:
    if not 1 <= len(name) <= 256 or set(name) & {"=", "\0"}:
        raise ValueError("an environment variable's name has 1 to 256 characters, no '=', no NUL")
    return name


def _variable_value(value: str) -> str:
    if "\0" in value:
        raise ValueError("an environment variable's value has no NUL in it")
    return value


_Spoken = BeforeValidator(_as_text)

Tags = dict[Annotated[str, Field(max_length=512)], Annotated[str, _Spoken, Field(max_length=256)]]
Text = Annotated[str, Field(max_length=4096)]
StringMap = dict[
    Annotated[str, Field(min_length=1, max_length=256)],
    Annotated[str, _Spoken, Field(max_length=32768)],
]
EnvironmentVariables = dict[
    Annotated[str, AfterValidator(_variable_name)],
    Annotated[str, _Spoken, AfterValidator(_variable_value), Field(max_length=32768)],
]
"""What a process can be given: a name has no `=`, and nothing holds a NUL."""


class Identity(Value):
    """What a resource's scripts are to others: an identity of its own, ones that it was given by
    their ARM ids, both, or none. `principal_id` is its own identity's; those of the others stand
    in the map."""

    type: str = "SystemAssigned"
    principal_id: Annotated[str | None, unsaid(None)] = None
    tenant_id: Annotated[str | None, unsaid(None)] = None
    user_assigned_identities: dict[str, dict[str, str] | None] | None = None


class Sku(Value):
    """`capacity` is the deployment's instance count; 0 lets it sleep until it is asked."""

    name: str = "Default"
    tier: str | None = None
    size: str | None = None
    family: str | None = None
    capacity: Annotated[int, Field(ge=0, le=50)] | None = None


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


Properties = TypeVar("Properties", bound=Value)
R = TypeVar("R", bound=TrackedResource)


def to_body(kind: str, resource: TrackedResource) -> Json:
    """The document body of a resource: `kind` is the store's, apart from ARM's own."""
    return {"kind": kind, "resource": resource.to_document()}


def from_document(model: type[R], document: Document) -> R:
    """The resource that `to_body` put into `document`."""
    return model.from_document(document.body["resource"])


class Wanted(Value, Generic[Properties]):
    """What a caller asks a resource to be: ARM's envelope around its properties."""

    location: str | None = None
    tags: Tags = {}
    identity: Identity | None = None
    kind: str | None = None
    sku: Sku | None = None
    properties: Properties

    def taken(self, properties: Properties, caller: str, now: datetime) -> dict[str, object]:
        """The fields of a resource that a taken wish decides, created or updated alike.
        `properties` are the wish's as they are kept."""
        return {
            "tags": self.tags,
            "identity": self.identity,
            "kind": self.kind,
            "sku": self.sku,
            "properties": properties,
            "modified_at": now,
            "modified_by": caller,
        }


@dataclass(frozen=True)
class Conditions:
    """When a write may go ahead. `if_match` is the ETag that must be current (None: any);
    `must_exist` and `must_be_new` stand for `If-Match: *` and `If-None-Match: *`."""

    if_match: str | None = None
    must_exist: bool = False
    must_be_new: bool = False

    def check(self, current: Document | None, what: str) -> None:
        """Raises PreconditionFailed, or NotFound for an update of nothing."""
        if current is None:
            if self.if_match is not None:
                raise PreconditionFailed(f"{what} does not exist, so no ETag can match.")
            if self.must_exist:
                raise NotFound(f"{what} was not found.")
            return
        if self.must_be_new:
            raise PreconditionFailed(f"{what} exists already (If-None-Match: *).")
        if self.if_match is not None and _bare(self.if_match) != _bare(current.etag):
            raise PreconditionFailed(
                f"{what} has changed since ETag {self.if_match}; it is {current.etag} now. "
                "Read it again and repeat the change."
            )


def _bare(etag: str) -> str:
    """HTTP puts an ETag between quotes; a store may or may not."""
    return etag.removeprefix("W/").strip('"')


@dataclass(frozen=True)
class Stored(Generic[R]):
    """A resource as it stands, with the ETag of its document."""

    resource: R
    etag: str


@dataclass(frozen=True)
class Accepted(Generic[R]):
    """A mutation that was taken: the resource on its way, with the ETag of its document, and
    the operation that tells how far it is. `new` says whether this created the resource."""

    operation: Operation
    resource: R
    etag: str
    new: bool = False
