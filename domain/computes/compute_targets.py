"""Computes on the control plane: made, attached, changed, and named by what runs on them. `local`
is always there."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import final

from domain.assets.using.asset_use import InUse, check_unused
from domain.computes.attached_cluster import body_faults
from domain.computes.compute_target import (
    DEFAULT_NAMESPACE,
    KIND,
    LOCAL,
    MAX_NODES,
    PARTITION,
    ClusterProperties,
    ComputeProperties,
    ComputeTarget,
    ComputeType,
    ScaleSettings,
)
from domain.errors import Conflict, Detail, Invalid, NotFound, refuse
from domain.ground.named_resources import NamedResources
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Conditions, Stored, Wanted
from domain.identities.identity_holding import IdentityHolding
from domain.names import WorkspaceScope, asset_name_fault
from domain.ports import Capabilities, Clock, ResourceStore

_BUILT_IN_AT = datetime(2024, 1, 1, tzinfo=UTC)
_LOCAL_COMES_NOW = "local"
"""The continuation after which only the built-in compute is left to list."""


@final
class ComputeTargets:
    """`in_use` names the deployments that a deletion would break; `idle_time` is `local`'s."""

    def __init__(
        self,
        store: ResourceStore,
        capabilities: Capabilities,
        clock: Clock,
        scope: WorkspaceScope,
        holding: IdentityHolding,
        *,
        in_use: InUse,
        idle_time: timedelta,
    ) -> None:
        self._resources = NamedResources(
            store,
            ComputeTarget,
            kind=KIND,
            partition=PARTITION,
            noun="Compute",
            name_fault=asset_name_fault,
        )
        self.idle_time = idle_time
        self._capabilities = capabilities
        self._clock = clock
        self._scope = scope
        self._holding = holding
        self._location = holding.location
        self._in_use = in_use

    async def named(self, reference: str | None) -> ComputeTarget:
        """The compute that a name, `azureml:name` or an ARM id means; `local` for none.
        Raises Invalid, or NotFound."""
        return (await self.get(self.name_of(reference))).resource

    def name_of(self, reference: str | None) -> str:
        """As `named`, without looking there. Raises Invalid."""
        if not reference:
            return LOCAL
        name = reference.removeprefix("azureml:")
        if name.startswith("/"):
            match self._scope.relative(reference):
                case [collection, found] if collection.casefold() == PARTITION:
                    # The official SDK puts the prefix into the id as well.
                    name = found.removeprefix("azureml:")
                case _:
                    raise Invalid(f"'{reference[:200]}' is not a compute of {self._scope.id}.")
        return LOCAL if name.casefold() == LOCAL else name

    async def attached(self, reference: str | None) -> ComputeTarget | None:
        """The namespace of a cluster that a name means; None for another compute, and for one that
        is not there."""
        try:
            found = await self.named(reference)
        except (Invalid, NotFound):
            return None
        return found if found.is_attached else None

    @property
    def attaches(self) -> bool:
        """Whether there may be any that are attached."""
        return self._capabilities.attaches()

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
        if name.casefold() == LOCAL:
            return Stored(self._local(), LOCAL)
        return await self._resources.get(name)

    async def list(
        self, top: int, continuation: str | None
    ) -> tuple[list[Stored[ComputeTarget]], str | None]:
        """By name; the built-in one comes last."""
        page: list[Stored[ComputeTarget]] = []
        following = None
        if continuation != _LOCAL_COMES_NOW:
            page, following = await self._resources.list(top, continuation)
        if following is None and len(page) < top:
            return [*page, Stored(self._local(), LOCAL)], None
        return page, following or _LOCAL_COMES_NOW

    async def put(
        self,
        name: str,
        wanted: Wanted[ComputeProperties],
        caller: str,
        conditions: Conditions,
    ) -> tuple[Stored[ComputeTarget], bool]:
        """Create, attach or change; True says created. Raises Conflict for the built-in one and
        for another VM size or namespace, Invalid with every fault, and Unavailable while a cluster
        cannot be asked."""
        _check_not_local(name)
        document = await self._resources.admit(name, conditions, None)
        old = self._resources.of(document) if document else None
        refuse([*await self._faults(wanted), *await self._holding.faults(wanted.identity)])
        identity = await self._holding.taken(wanted.identity, old.identity if old else None)
        new = self._wanted(name, wanted.but(identity=identity), caller, old)
        saved = await self._resources.save(new, document)
        # If this comes to nothing its scripts are nobody until the next PUT.
        if identity is not None:
            await self._holding.settle(new.identity_holder, identity, caller)
        return saved, document is None

    async def delete(self, name: str, conditions: Conditions) -> bool:
        """False if it is not there. Raises Conflict for the built-in one, and while
        deployments name it."""
        _check_not_local(name)
        document = await self._resources.find(name)
        if document is None:
            return False
        conditions.check(document, f"Compute '{name}'")
        await check_unused(self._in_use, PARTITION, name, None)
        removed = await self._resources.remove(document)
        gone = self._resources.of(document)
        if gone.identity is not None:
            await self._holding.release(gone.identity_holder)
        return removed is not None

    async def _faults(self, wanted: Wanted[ComputeProperties]) -> Sequence[Detail]:
        asked = wanted.properties
        vm_size = asked.properties.vm_size
        if vm_size is not None:
            return self._size_faults(vm_size)
        namespace = asked.properties.namespace or DEFAULT_NAMESPACE
        there = await self._capabilities.attachment_faults(asked.resource_id, namespace)
        return [*there, *body_faults(asked)]

    def _wanted(
        self,
        name: str,
        wanted: Wanted[ComputeProperties],
        caller: str,
        old: ComputeTarget | None,
    ) -> ComputeTarget:
        now = self._clock.now()
        if old is not None:
            _check_stays(old, wanted.properties)
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

    def _size_faults(self, vm_size: str) -> Sequence[Detail]:
        try:
            self._capabilities.size(vm_size)
        except Invalid as error:
            return [Detail(error.code, error.message, "properties.properties.vmSize")]
        return []

    def _local(self) -> ComputeTarget:
        scale = ScaleSettings(
            max_node_count=MAX_NODES, node_idle_time_before_scale_down=self.idle_time
        )
        cluster = ClusterProperties(vm_size=LOCAL, scale_settings=scale)
        return ComputeTarget(
            name=LOCAL,
            location=self._location,
            provisioning_state=ProvisioningState.SUCCEEDED,
            properties=ComputeProperties(
                compute_type=ComputeType.AML_COMPUTE,
                compute_location=self._location,
                description="The compute of this installation itself; always there.",
                properties=cluster,
            ),
            created_at=_BUILT_IN_AT,
            created_by="ml-endpoints",
            modified_at=_BUILT_IN_AT,
            modified_by="ml-endpoints",
        )


def _check_not_local(name: str) -> None:
    if name.casefold() == LOCAL:
        raise Conflict(f"Compute '{LOCAL}' is built in: it cannot be changed or deleted.")


def _check_stays(old: ComputeTarget, asked: ComputeProperties) -> None:
    """Raises Conflict."""
    mine = asked.properties
    if old.properties.compute_type is not asked.compute_type:
        raise Conflict(
            f"Compute '{old.name}' is of type {old.properties.compute_type}. Make another one.",
            target="properties.computeType",
        )
    if old.vm_size is not None and old.vm_size.casefold() != (mine.vm_size or "").casefold():
        raise Conflict(
            f"Compute '{old.name}' has nodes of size {old.vm_size}, and a cluster keeps its size. "
            "Make another one.",
            target="properties.properties.vmSize",
        )
    if old.is_attached and old.namespace != (mine.namespace or DEFAULT_NAMESPACE):
        raise Conflict(
            f"Compute '{old.name}' is namespace '{old.namespace}', and stays that. Attach the "
            "other one under another name.",
            target="properties.properties.namespace",
        )
