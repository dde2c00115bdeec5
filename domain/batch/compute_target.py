"""Computes: clusters that batch jobs name, and what they may ask of them.

To batch jobs a cluster is a name with a size, a limit and an idle time: its nodes come with jobs
and are kept for that time after them. `local` is always there.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from domain.assets.asset_use import InUse, check_unused
from domain.errors import (
    Conflict,
    Detail,
    DocumentExists,
    DocumentNotFound,
    Invalid,
    NotFound,
    StaleETag,
    refuse,
)
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Conditions, Stored, Text, TrackedResource, Wanted, to_body
from domain.ground.resource import from_document as stored_resource
from domain.names import WorkspaceScope, asset_name_fault
from domain.ports import (
    Capabilities,
    Clock,
    Cluster,
    Create,
    Delete,
    Document,
    Replace,
    ResourceStore,
)
from domain.values import Value

KIND = "compute"
PARTITION = "computes"
LOCAL = "local"
MAX_NODES = 50

_BUILT_IN_AT = datetime(2024, 1, 1, tzinfo=UTC)
_LOCAL_COMES_NOW = "local"
"""The continuation after which only the built-in compute is left to list."""


class VmPriority(StrEnum):
    DEDICATED = "Dedicated"
    LOW_PRIORITY = "LowPriority"


class ScaleSettings(Value):
    """A worker that no job needs is kept for the idle time. `min_node_count` is kept and
    returned: nothing starts before a job."""

    min_node_count: Annotated[int, Field(ge=0, le=MAX_NODES)] = 0
    max_node_count: Annotated[int, Field(ge=1, le=MAX_NODES)]
    node_idle_time_before_scale_down: Annotated[
        timedelta, Field(ge=timedelta(0), le=timedelta(days=7))
    ] = timedelta(minutes=2)

    @model_validator(mode="after")
    def _ordered(self) -> "ScaleSettings":
        if self.min_node_count > self.max_node_count:
            raise ValueError("minNodeCount is over maxNodeCount")
        return self


class ClusterProperties(Value):
    """ARM's AmlCompute. `vm_priority` and what speaks of node networking are kept and
    returned: what nodes are is the compute's affair."""

    vm_size: str
    vm_priority: VmPriority = VmPriority.DEDICATED
    os_type: str = "Linux"
    scale_settings: ScaleSettings
    remote_login_port_public_access: str = "NotSpecified"
    enable_node_public_ip: bool = True

    @field_validator("os_type")
    @classmethod
    def _linux(cls, value: str) -> str:
        if value.casefold() != "linux":
            raise ValueError("models run on Linux here")
        return "Linux"


class ComputeProperties(Value):
    compute_type: str
    compute_location: str | None = None
    description: Text | None = None
    disable_local_auth: bool = True
    properties: ClusterProperties

    @field_validator("compute_type")
    @classmethod
    def _cluster(cls, value: str) -> str:
        if value.casefold() != "amlcompute":
            raise ValueError(
                "only AmlCompute can be made here: batch jobs run on clusters, online "
                "deployments on instances of their own"
            )
        return "AmlCompute"


class ComputeTarget(TrackedResource):
    properties: ComputeProperties

    @property
    def max_node_count(self) -> int:
        return self.properties.properties.scale_settings.max_node_count

    def cluster(self, processes_per_node: int) -> Cluster:
        """What jobs share that run here."""
        settings = self.properties.properties.scale_settings
        most = None if self.name == LOCAL else settings.max_node_count * processes_per_node
        return Cluster(self.name.casefold(), most, settings.node_idle_time_before_scale_down)


class ComputeTargets:
    """`in_use` names the deployments that a deletion would break; `idle_time` is `local`'s."""

    def __init__(
        self,
        store: ResourceStore,
        capabilities: Capabilities,
        clock: Clock,
        scope: WorkspaceScope,
        location: str,
        *,
        in_use: InUse,
        idle_time: timedelta,
    ) -> None:
        self._idle_time = idle_time
        self._store = store
        self._capabilities = capabilities
        self._clock = clock
        self._scope = scope
        self._location = location
        self._in_use = in_use

    async def named(self, reference: str | None) -> ComputeTarget:
        """The compute that a name, `azureml:name` or an ARM id means; `local` for none.
        Raises Invalid, or NotFound."""
        if not reference:
            return self._local()
        name = reference.removeprefix("azureml:")
        if name.startswith("/"):
            match self._scope.relative(reference):
                case [collection, name] if collection.casefold() == PARTITION:
                    pass
                case _:
                    raise Invalid(f"'{reference[:200]}' is not a compute of {self._scope.id}.")
        return (await self.get(name)).resource

    async def check_instance_count(self, reference: str | None, count: int, target: str) -> None:
        """Raises Invalid, with `target`, when the compute does not have `count` nodes."""
        found = await self.named(reference)
        if count > found.max_node_count:
            raise Invalid(
                f"{count} instances are more than compute '{found.name}' has: its maxNodeCount "
                f"is {found.max_node_count}.",
                target=target,
            )

    async def get(self, name: str) -> Stored[ComputeTarget]:
        """Raises NotFound."""
        document = await self._find(name)
        if document is None:
            raise NotFound(f"Compute '{name[:80]}' was not found.")
        return Stored(stored_resource(ComputeTarget, document), document.etag)

    async def list(
        self, top: int, continuation: str | None
    ) -> tuple[list[Stored[ComputeTarget]], str | None]:
        """By name; the built-in one comes last."""
        found: list[Stored[ComputeTarget]] = []
        following = None
        if continuation != _LOCAL_COMES_NOW:
            page = await self._store.query(
                KIND, partition=PARTITION, page_size=top, continuation=continuation
            )
            found = [Stored(stored_resource(ComputeTarget, d), d.etag) for d in page.documents]
            following = page.continuation
        if following is None and len(found) < top:
            return [*found, Stored(self._local(), LOCAL)], None
        return found, following or _LOCAL_COMES_NOW

    async def put(
        self,
        name: str,
        wanted: Wanted[ComputeProperties],
        caller: str,
        conditions: Conditions,
    ) -> tuple[Stored[ComputeTarget], bool]:
        """Create or change; True says created. Raises Conflict for the built-in one and
        for another VM size, Invalid for a VM size that the compute does not know."""
        _check_not_local(name)
        if fault := asset_name_fault(name):
            refuse([Detail("InvalidName", fault, "name")])
        self._check_size(wanted.properties.properties.vm_size)
        document = await self._find(name)
        conditions.check(document, f"Compute '{name}'")
        new = self._wanted(name, wanted, caller, document)
        body = to_body(KIND, new)
        write = Replace(document.id, body, document.etag) if document else Create(_id(name), body)
        try:
            (written,) = await self._store.transact(PARTITION, [write])
        except (StaleETag, DocumentExists) as error:
            raise Conflict(
                f"Compute '{name}' was changed by another request at the same moment. Try again."
            ) from error
        return Stored(new, written.etag), document is None

    async def delete(self, name: str, conditions: Conditions) -> bool:
        """False if it is not there. Raises Conflict for the built-in one, and while
        deployments name it."""
        _check_not_local(name)
        document = await self._find(name)
        if document is None:
            return False
        conditions.check(document, f"Compute '{name}'")
        await check_unused(self._in_use, PARTITION, name, None)
        try:
            await self._store.transact(PARTITION, [Delete(document.id, document.etag)])
        except DocumentNotFound:
            return False
        return True

    def _wanted(
        self,
        name: str,
        wanted: Wanted[ComputeProperties],
        caller: str,
        document: Document | None,
    ) -> ComputeTarget:
        now = self._clock.now()
        old = stored_resource(ComputeTarget, document) if document else None
        asked = wanted.properties.properties
        if old and old.properties.properties.vm_size.casefold() != asked.vm_size.casefold():
            raise Conflict(
                f"Compute '{name}' has nodes of size {old.properties.properties.vm_size}, and a "
                "cluster keeps its size. Make another one.",
                target="properties.properties.vmSize",
            )
        location = wanted.location or self._location
        properties = wanted.properties.but(
            compute_location=wanted.properties.compute_location or location
        )
        return ComputeTarget(
            name=old.name if old else name,
            location=location,
            tags=wanted.tags,
            identity=wanted.identity,
            kind=wanted.kind,
            sku=wanted.sku,
            provisioning_state=ProvisioningState.SUCCEEDED,
            properties=properties,
            created_at=old.created_at if old else now,
            created_by=old.created_by if old else caller,
            modified_at=now,
            modified_by=caller,
        )

    def _check_size(self, vm_size: str) -> None:
        try:
            self._capabilities.size(vm_size)
        except Invalid as error:
            at = "properties.properties.vmSize"
            refuse([Detail(error.code, error.message, at)])

    def _local(self) -> ComputeTarget:
        scale = ScaleSettings(
            max_node_count=MAX_NODES, node_idle_time_before_scale_down=self._idle_time
        )
        cluster = ClusterProperties(vm_size=LOCAL, scale_settings=scale)
        return ComputeTarget(
            name=LOCAL,
            location=self._location,
            provisioning_state=ProvisioningState.SUCCEEDED,
            properties=ComputeProperties(
                compute_type="AmlCompute",
                compute_location=self._location,
                description="The compute of this installation itself; always there.",
                properties=cluster,
            ),
            created_at=_BUILT_IN_AT,
            created_by="ml-endpoints",
            modified_at=_BUILT_IN_AT,
            modified_by="ml-endpoints",
        )

    async def _find(self, name: str) -> Document | None:
        if name.casefold() == LOCAL:
            local: dict[str, Any] = to_body(KIND, self._local())
            return Document(PARTITION, LOCAL, local, etag=LOCAL)
        if asset_name_fault(name):
            return None
        try:
            return await self._store.get(PARTITION, _id(name))
        except DocumentNotFound:
            return None


def _id(name: str) -> str:
    return name.casefold()


def _check_not_local(name: str) -> None:
    if name.casefold() == LOCAL:
        raise Conflict(f"Compute '{LOCAL}' is built in: it cannot be changed or deleted.")
