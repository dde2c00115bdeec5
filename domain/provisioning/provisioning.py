"""Endpoints and their deployments from wish to being: what the online and the batch kind
share.

Save, send, sweep: a mutation stores the wish, a new `generation` and an operation in one
transaction, then sends a `Reconcile`, which domain/provisioning/reconciling.py takes further.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from domain import names
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
from domain.ground.facts import Fact
from domain.ground.operation import (
    OPERATION_TTL,
    Operation,
    OperationKind,
    OperationStatus,
    operation_body,
    operation_document_id,
)
from domain.ground.outbox import Outbox
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import (
    Accepted,
    Conditions,
    TrackedResource,
    Wanted,
    from_document,
    to_body,
)
from domain.ports import Clock, Compute, Create, Document, Replace, ResourceStore, WorkQueue, Write
from domain.provisioning.endpoint_documents import ENDPOINT_ID, D, E, deployment_id, owner_of
from domain.provisioning.reconciling import LEASE, replaced
from domain.provisioning.restoring import Restoring
from domain.values import Value

EP = TypeVar("EP", bound=Value)
DP = TypeVar("DP", bound=Value)
R = TypeVar("R", bound=TrackedResource)
T = TypeVar("T")

MAX_DEPLOYMENTS = 20
"""Azure ML's limit for one endpoint."""

_LOOKS = 20
"""How often a change is tried anew when others write to the same endpoint meanwhile."""

_S = ProvisioningState


class Provisioning(Restoring[E, D], Generic[E, EP, D, DP]):
    """The control plane of one kind of endpoint. Subclasses say what is valid and what is
    to run; this class takes wishes."""

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        compute: Compute,
        clock: Clock,
        scope: names.WorkspaceScope,
        location: str,
        outbox: Outbox,
    ) -> None:
        super().__init__(store, queue, compute, clock, scope, outbox)
        self._location = location

    # -- what a kind decides ------------------------------------------------------------

    @abstractmethod
    def _new_endpoint(
        self, name: str, wanted: Wanted[EP], old: E | None, caller: str, now: datetime
    ) -> E:
        """The entity that `wanted` makes of `old`."""

    @abstractmethod
    def _endpoint_faults(
        self, wanted: Wanted[EP], old: E | None, deployments: Sequence[D]
    ) -> list[Detail]:
        """Every fault of the wish."""

    def _facts(self, old: TrackedResource | None, new: TrackedResource) -> list[Fact]:
        """What a taken wish changes at once, and what is told of it."""
        return []

    def _with_endpoint(self, old: E | None, new: E) -> list[Write]:
        """What is written together with an endpoint that was put."""
        return []

    @abstractmethod
    async def _new_deployment(
        self, endpoint: E, name: str, wanted: Wanted[DP], old: D | None, caller: str, now: datetime
    ) -> D:
        """The entity that `wanted` makes of `old`. Raises Invalid with every fault."""

    async def _with_deployment(self, old: D | None, new: D) -> list[Write]:
        """What is written together with a deployment that was put."""
        return []

    @abstractmethod
    def _is_only_scaled(self, old: D, new: D) -> bool:
        """Whether nothing but the instance count differs."""

    @abstractmethod
    def _check_removable(self, endpoint: E, deployment: D) -> None:
        """Raises Conflict while the endpoint still needs the deployment."""

    # -- wishes -------------------------------------------------------------------------

    async def put_endpoint(
        self, name: str, wanted: Wanted[EP], caller: str, conditions: Conditions
    ) -> Accepted[E]:
        """Create or update. Raises Invalid with every fault, PreconditionFailed, and
        Conflict while an operation runs."""
        return await self._steadily(lambda: self._put_endpoint(name, wanted, caller, conditions))

    async def _put_endpoint(
        self, name: str, wanted: Wanted[EP], caller: str, conditions: Conditions
    ) -> Accepted[E]:
        document = await self._find(name)
        conditions.check(document, self._endpoint_noun(name))
        old = from_document(self.endpoint_type, document) if document else None
        siblings = (await self.deployments(name, 1000))[0] if old else []
        faults = self._endpoint_faults(wanted, old, [s.resource for s in siblings])
        if old is None and (fault := names.endpoint_name_fault(name)):
            faults.insert(0, Detail("InvalidName", fault, "name"))
        refuse(faults)
        now = self._clock.now()
        if old:
            old = old.moved(_S.UPDATING)
        new = self._new_endpoint(name, wanted, old, caller, now)
        kind = OperationKind.UPDATE if old else OperationKind.CREATE
        operation = self._started(kind, new, now)
        return await self._save(new, document, operation, self._with_endpoint(old, new))

    async def delete_endpoint(
        self, name: str, caller: str, conditions: Conditions
    ) -> Accepted[E] | None:
        """Begin to remove the endpoint and every deployment; None if it is not there.
        Supersedes whatever runs."""
        return await self._steadily(lambda: self._delete_endpoint(name, caller, conditions))

    async def _delete_endpoint(
        self, name: str, caller: str, conditions: Conditions
    ) -> Accepted[E] | None:
        document = await self._find(name)
        if document is None:
            return None
        conditions.check(document, self._endpoint_noun(name))
        old = from_document(self.endpoint_type, document)
        if underway := await self._removal_underway(old, document):
            return underway
        operation = self._started(OperationKind.DELETE, old, self._clock.now())
        beside = await self._superseded(old)
        for stored in (await self.deployments(name, 1000))[0]:
            deployment = stored.resource
            if deployment.provisioning_state is _S.DELETING:
                continue
            # The new generation makes the messages of its own operation stale.
            gone = self._removed(deployment, caller).but(operation_id=operation.id)
            id = deployment_id(deployment.name)
            beside.append(Replace(id, to_body(self.deployment_kind, gone), stored.etag))
            beside += await self._superseded(deployment)
        return await self._save(self._removed(old, caller), document, operation, beside)

    async def put_deployment(
        self, endpoint: str, name: str, wanted: Wanted[DP], caller: str, conditions: Conditions
    ) -> Accepted[D]:
        """Create or update. Raises as `put_endpoint` does, and NotFound for an endpoint
        that is not there."""
        return await self._steadily(
            lambda: self._put_deployment(endpoint, name, wanted, caller, conditions)
        )

    async def _put_deployment(
        self, endpoint: str, name: str, wanted: Wanted[DP], caller: str, conditions: Conditions
    ) -> Accepted[D]:
        parent = await self._find(endpoint)
        if parent is None:
            raise NotFound(f"{self._endpoint_noun(endpoint)} was not found. Create it first.")
        owner = from_document(self.endpoint_type, parent)
        if owner.provisioning_state is _S.DELETING:
            raise Conflict(f"{self._endpoint_noun(endpoint)} is being deleted.")
        document = await self._find(endpoint, name)
        conditions.check(document, self._deployment_noun(endpoint, name))
        old = from_document(self.deployment_type, document) if document else None
        faults: list[Detail] = []
        if old:
            old.provisioning_state.to(_S.UPDATING)
        elif fault := names.endpoint_name_fault(name):
            faults.append(Detail("InvalidName", fault, "name"))
        now = self._clock.now()
        try:
            new = await self._new_deployment(owner, name, wanted, old, caller, now)
        except Invalid as error:
            refuse([*faults, *error.details])
            raise
        refuse(faults)
        if old:
            scaled = self._is_only_scaled(old, new)
            new = new.moved(_S.SCALING if scaled else _S.UPDATING)
        else:
            await self._check_quota(endpoint)
        kind = OperationKind.UPDATE if old else OperationKind.CREATE
        operation = self._started(kind, new, now)
        beside = [self._touch(owner, parent), *await self._with_deployment(old, new)]
        return await self._save(new, document, operation, beside)

    async def _check_quota(self, endpoint: str) -> None:
        siblings, _ = await self.deployments(endpoint, 1000)
        if len(siblings) >= MAX_DEPLOYMENTS:
            raise Conflict(
                f"{self._endpoint_noun(endpoint)} has {len(siblings)} deployments; "
                f"{MAX_DEPLOYMENTS} is the limit. Delete one first.",
                code="QuotaExceeded",
            )

    async def delete_deployment(
        self, endpoint: str, name: str, caller: str, conditions: Conditions
    ) -> Accepted[D] | None:
        """Begin to remove the deployment; None if it is not there. Raises Conflict while
        the endpoint needs it. Supersedes an operation that runs."""
        return await self._steadily(
            lambda: self._delete_deployment(endpoint, name, caller, conditions)
        )

    async def _delete_deployment(
        self, endpoint: str, name: str, caller: str, conditions: Conditions
    ) -> Accepted[D] | None:
        document = await self._find(endpoint, name)
        if document is None:
            return None
        conditions.check(document, self._deployment_noun(endpoint, name))
        old = from_document(self.deployment_type, document)
        parent = await self._store.get(self.partition(endpoint), ENDPOINT_ID)
        owner = from_document(self.endpoint_type, parent)
        if owner.provisioning_state is not _S.DELETING:
            self._check_removable(owner, old)
        if underway := await self._removal_underway(old, document):
            return underway
        operation = self._started(OperationKind.DELETE, old, self._clock.now())
        beside = [self._touch(owner, parent), *await self._superseded(old)]
        return await self._save(self._removed(old, caller), document, operation, beside)

    async def _steadily(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What `attempt` reads and then writes, with fresh eyes as long as somebody else
        writes in between: who loses a race is told what the winner has made of things."""
        for _ in range(_LOOKS):
            try:
                return await attempt()
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue
        raise Conflict("This is being changed by other requests at the same moment. Try again.")

    async def _removal_underway(self, old: R, document: Document) -> Accepted[R] | None:
        """The removal that an earlier DELETE began; deleting twice is one removal."""
        if old.provisioning_state is not _S.DELETING or old.operation_id is None:
            return None
        found = await self._get(document.partition, operation_document_id(old.operation_id))
        if found is None:
            return None
        return Accepted(Operation.from_document(found.body["operation"]), old, document.etag)

    async def _superseded(self, old: TrackedResource) -> list[Write]:
        """What ends the operation that a DELETE cuts short."""
        if old.provisioning_state.is_terminal:
            return []
        return await self._ended_operation(old, OperationStatus.CANCELED)

    def _removed(self, old: R, caller: str) -> R:
        return old.moved(_S.DELETING).but(
            generation=old.generation + 1, modified_at=self._clock.now(), modified_by=caller
        )

    def _started(self, kind: OperationKind, resource: TrackedResource, now: datetime) -> Operation:
        owner = owner_of(resource)
        arm_id = (
            self.deployment_arm_id(owner, resource.name)
            if isinstance(resource, self.deployment_type)
            else self.endpoint_arm_id(owner)
        )
        return Operation.start(kind, self.partition(owner), arm_id, now)

    async def _save(
        self,
        new: R,
        document: Document | None,
        operation: Operation,
        beside: Sequence[Write] = (),
    ) -> Accepted[R]:
        """One transaction for the wish and its operation, then the message. Raises what the
        store does when it has lost a race."""
        is_deployment = isinstance(new, self.deployment_type)
        new = new.but(operation_id=operation.id)
        store_kind = self.deployment_kind if is_deployment else self.endpoint_kind
        due_at = operation.started_at.timestamp() + LEASE / 6
        write: Write
        old = None
        if document is None:
            id = deployment_id(new.name) if is_deployment else ENDPOINT_ID
            write = Create(id, to_body(store_kind, new), due_at=due_at)
        else:
            old = from_document(type(new), document)
            write = replaced(store_kind, new, document, due_at=due_at)
        written = await self._outbox.transact(
            operation.partition,
            [write, _create_operation(operation), *beside],
            self._facts(old, new),
        )
        owner = owner_of(new)
        self._changed(owner)
        await self._send(new, owner)
        saved = written[0]
        if saved is None:
            raise AssertionError("a create or replace returns its document")
        return Accepted(operation, new, saved.etag, new=document is None)


def _create_operation(operation: Operation) -> Create:
    return Create(operation_document_id(operation.id), operation_body(operation), ttl=OPERATION_TTL)
