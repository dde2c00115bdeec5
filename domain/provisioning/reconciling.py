"""Endpoints and their deployments on their way: bringing what runs closer to what is wanted,
one message at a time.

A message's handler compares the wish with what the compute shows, takes the next step, and
either ends the operation or sends itself a delayed message. What a crash leaves unsent,
`resume` sends again. Lost, doubled and late messages are harmless.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from domain import names
from domain.errors import DocumentNotFound, DomainError, StaleETag, Throttled, Unavailable
from domain.ground.facts import Fact
from domain.ground.messages import PROVISIONING_QUEUE, Reconcile
from domain.ground.operation import (
    OPERATION_TTL,
    ErrorRecord,
    Operation,
    OperationStatus,
    operation_body,
    operation_document_id,
)
from domain.ground.outbox import Outbox
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import TrackedResource, from_document, to_body
from domain.ports import (
    Clock,
    Compute,
    Delete,
    Document,
    Message,
    Observation,
    Replace,
    ResourceStore,
    Workload,
    WorkloadState,
    WorkQueue,
    Write,
)
from domain.provisioning import endpoint_facts
from domain.provisioning.endpoint_documents import (
    ENDPOINT_ID,
    D,
    E,
    EndpointDocuments,
    deployment_id,
    owner_of,
)

LEASE = 30.0
"""Seconds without a sign of life after which the sweep takes a reconciliation over."""

GRACE = timedelta(seconds=10)
"""What requests in flight are given when a deployment is removed."""

_S = ProvisioningState


def pause_before(step: int) -> timedelta:
    """How long a reconciliation rests before its next look: 50 ms at first, 1 s at most."""
    return timedelta(seconds=min(1.0, 0.05 * 1.3 ** min(step, 20)))


class Reconciling(EndpointDocuments[E, D], ABC):
    """How a wish becomes true. Subclasses say what is to run; the keys of their workloads
    begin with `key_prefix`."""

    key_prefix: ClassVar[str]

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        compute: Compute,
        clock: Clock,
        scope: names.WorkspaceScope,
        outbox: Outbox,
    ) -> None:
        super().__init__(store, scope)
        self._queue = queue
        self._compute = compute
        self._clock = clock
        self._outbox = outbox

    # -- what a kind decides ------------------------------------------------------------

    @abstractmethod
    async def _workload(self, deployment: D) -> Workload:
        """What the deployment wants running. Raises DomainError if something it points at
        is gone."""

    @abstractmethod
    async def _runs(self, deployment: D) -> tuple[str, int]:
        """Revision and number of instances of what `_workload` gives, without a look at what
        the deployment points at: versions never change."""

    @abstractmethod
    def _workload_key(self, endpoint: str, deployment: str) -> str: ...

    @abstractmethod
    def _touched(self, endpoint: E) -> E:
        """The endpoint after one of its deployments has changed."""

    @abstractmethod
    def _proven(self, deployment: D) -> D:
        """The deployment with a note of what it runs now, which has succeeded."""

    @abstractmethod
    def _before_failure(self, deployment: D) -> D | None:
        """The deployment as it last succeeded; None if it never has."""

    async def _removed_beside(self, endpoint: str, deployments: Sequence[str]) -> list[Write]:
        """What goes together with deployments that are removed."""
        return []

    def _changed(self, endpoint: str) -> None:  # a kind may have nobody to tell
        """Called after anything of the endpoint was saved."""

    # -- messages -----------------------------------------------------------------------

    async def reconcile(self, message: Reconcile) -> None:
        """Take the next step for one endpoint or deployment. A stale message does nothing."""
        partition = self.partition(message.endpoint)
        id = deployment_id(message.deployment) if message.deployment else ENDPOINT_ID
        document = await self._get(partition, id)
        if document is None:
            await self._clear(message)
            return
        model: type[TrackedResource] = (
            self.deployment_type if message.deployment else self.endpoint_type
        )
        resource = from_document(model, document)
        if (resource.generation, resource.chain) != (message.generation, message.chain):
            return
        done = False
        try:
            if isinstance(resource, self.deployment_type):
                done = await self._reconcile_deployment(resource, document, message.step)
            elif isinstance(resource, self.endpoint_type):
                done = await self._reconcile_endpoint(resource, document)
        except (StaleETag, DocumentNotFound):
            # Somebody wrote in between: the next look is at what they have made of it.
            pass
        if not done:
            await self._beat(document)
            await self._look_again(message)

    async def _send(self, resource: TrackedResource, endpoint: str, step: int = 0) -> None:
        is_deployment = isinstance(resource, self.deployment_type)
        message = Reconcile(
            kind=self.kind,
            endpoint=endpoint,
            deployment=resource.name if is_deployment else None,
            generation=resource.generation,
            chain=resource.chain,
            step=step,
        )
        await self._queue.send(PROVISIONING_QUEUE, Message(message.to_document()))

    async def _look_again(self, message: Reconcile) -> None:
        again = message.but(step=message.step + 1)
        await self._queue.send(
            PROVISIONING_QUEUE, Message(again.to_document(), delay=pause_before(message.step))
        )

    async def _clear(self, message: Reconcile) -> None:
        """The deployment is gone. A look that was under way meanwhile may have asked the
        compute for it once more: nothing of that stays."""
        if message.deployment:
            key = self._workload_key(message.endpoint, message.deployment)
            if not await self._compute.remove(key, grace=GRACE):
                await self._look_again(message)

    async def _reconcile_endpoint(self, endpoint: E, document: Document) -> bool:
        if endpoint.provisioning_state is _S.DELETING:
            return await self._remove_endpoint(endpoint, document)
        if not endpoint.provisioning_state.is_terminal:
            await self._end(endpoint, document, _S.SUCCEEDED)
        elif document.due_at is not None:
            await self._settle(document)
        return True

    async def _reconcile_deployment(self, deployment: D, document: Document, step: int) -> bool:
        state = deployment.provisioning_state
        if state is _S.DELETING:
            return await self._remove_deployment(deployment, document)
        if state is _S.FAILED:
            await self._keep_proven(deployment)
            await self._settle(document)
            return True
        observation = await self._look(deployment, step)
        if observation.state is WorkloadState.READY:
            if state.is_terminal:
                await self._settle(document)
            else:
                await self._end(deployment, document, _S.SUCCEEDED)
            return True
        if observation.state is WorkloadState.FAILED:
            error = ErrorRecord(
                code=observation.code or "InternalServerError",
                message=observation.reason or "The compute gave no reason.",
            )
            if state.is_terminal:
                await self._break(deployment, document, error)
            else:
                await self._end(deployment, document, _S.FAILED, error)
            return True
        return False

    async def _look(self, deployment: D, step: int) -> Observation:
        """How far the deployment is. The first look of a chain sets the compute to work;
        later ones only when it has forgotten (a restart), for asking again revives what has
        failed."""
        if step:
            key = self._workload_key(owner_of(deployment), deployment.name)
            seen = await self._compute.observe(key)
            if seen and (seen.revision, seen.wanted) == await self._runs(deployment):
                return seen
        try:
            workload = await self._workload(deployment)
        except (Throttled, Unavailable):
            raise
        except DomainError as error:
            return Observation(
                "", WorkloadState.FAILED, 0, 0, False, code=error.code, reason=error.message
            )
        return await self._compute.ensure(workload)

    async def _keep_proven(self, deployment: D) -> None:
        """What served before an update failed goes on serving, after a restart too."""
        before = self._before_failure(deployment)
        if before is None:
            return
        key = self._workload_key(owner_of(deployment), deployment.name)
        if await self._compute.observe(key) is None:
            await self._look(before, 0)

    async def _remove_deployment(self, deployment: D, document: Document) -> bool:
        owner = owner_of(deployment)
        key = self._workload_key(owner, deployment.name)
        if not await self._compute.remove(key, grace=GRACE):
            return False
        writes: list[Write] = [Delete(document.id, document.etag)]
        writes += await self._removed_beside(owner, [deployment.name])
        writes += await self._ended_operation(deployment, OperationStatus.SUCCEEDED)
        told = endpoint_facts.deleted(self.kind, deployment)
        await self._outbox.transact(document.partition, writes, told)
        self._changed(owner)
        return True

    async def _remove_endpoint(self, endpoint: E, document: Document) -> bool:
        found, _ = await self.deployments(endpoint.name, 1000)
        gone = True
        for stored in found:
            key = self._workload_key(endpoint.name, stored.resource.name)
            gone &= await self._compute.remove(key, grace=GRACE)
        if not gone:
            return False
        writes: list[Write] = [Delete(document.id, document.etag)]
        writes += await self._removed_beside(endpoint.name, [s.resource.name for s in found])
        for stored in found:
            writes.append(Delete(deployment_id(stored.resource.name), stored.etag))
            if stored.resource.operation_id != endpoint.operation_id:  # its own removal
                writes += await self._ended_operation(stored.resource, OperationStatus.SUCCEEDED)
        writes += await self._ended_operation(endpoint, OperationStatus.SUCCEEDED)
        told = endpoint_facts.deleted(self.kind, *(stored.resource for stored in found), endpoint)
        await self._outbox.transact(document.partition, writes, told)
        self._changed(endpoint.name)
        return True

    async def _end(
        self,
        resource: TrackedResource,
        document: Document,
        state: ProvisioningState,
        error: ErrorRecord | None = None,
    ) -> None:
        """The operation is over: one transaction says so everywhere."""
        ended = resource.moved(state, error)
        if isinstance(ended, self.deployment_type) and state is _S.SUCCEEDED:
            ended = self._proven(ended)
        status = OperationStatus(state.value)
        writes: list[Write] = [replaced(document.body["kind"], ended, document)]
        writes += await self._ended_operation(resource, status, error)
        told = endpoint_facts.ended(self.kind, resource, state, error)
        await self._end_with_owner(resource, document, writes, told)

    async def _break(self, deployment: D, document: Document, error: ErrorRecord) -> None:
        """A deployment that had succeeded has died for good: its state says so."""
        broken = deployment.but(provisioning_state=_S.FAILED, error=error, proven=None)
        writes: list[Write] = [replaced(document.body["kind"], broken, document)]
        told = endpoint_facts.ended(self.kind, deployment, _S.FAILED, error)
        await self._end_with_owner(deployment, document, writes, told)

    async def _end_with_owner(
        self,
        resource: TrackedResource,
        document: Document,
        writes: list[Write],
        told: Sequence[Fact],
    ) -> None:
        if isinstance(resource, self.deployment_type):
            parent = await self._store.get(document.partition, ENDPOINT_ID)
            endpoint = from_document(self.endpoint_type, parent)
            writes = [*writes, self._touch(endpoint, parent)]
        await self._outbox.transact(document.partition, writes, told)
        self._changed(owner_of(resource))

    def _touch(self, owner: E, parent: Document) -> Write:
        """The endpoint's own lease, if it has one, stays."""
        return replaced(self.endpoint_kind, self._touched(owner), parent, parent.due_at)

    async def _ended_operation(
        self, resource: TrackedResource, status: OperationStatus, error: ErrorRecord | None = None
    ) -> list[Write]:
        if resource.operation_id is None:
            return []
        id = operation_document_id(resource.operation_id)
        found = await self._get(self.partition(owner_of(resource)), id)
        if found is None:
            return []
        operation = Operation.from_document(found.body["operation"])
        ended = operation.end(status, self._clock.now(), error)
        return [Replace(id, operation_body(ended), found.etag, ttl=OPERATION_TTL)]

    # -- the sweep's part ---------------------------------------------------------------

    async def resume(self, document: Document) -> None:
        """Take over what nobody has given a sign of life for."""
        model: type[TrackedResource] = (
            self.deployment_type
            if document.body["kind"] == self.deployment_kind
            else self.endpoint_type
        )
        resource = from_document(model, document)
        taken = resource.but(chain=resource.chain + 1)
        due_at = self._clock.now().timestamp() + LEASE
        await self._store.transact(
            document.partition, [replaced(document.body["kind"], taken, document, due_at)]
        )
        await self._send(taken, owner_of(taken))

    async def _beat(self, document: Document) -> None:
        """A sign of life, not more often than the lease needs."""
        now = self._clock.now().timestamp()
        if document.due_at is None or document.due_at - now < LEASE / 2:
            await self._write_due(document, now + LEASE)

    async def _settle(self, document: Document) -> None:
        if document.due_at is not None:
            await self._write_due(document, None)

    async def _write_due(self, document: Document, due_at: float | None) -> None:
        try:
            await self._store.transact(
                document.partition,
                [Replace(document.id, document.body, document.etag, due_at=due_at)],
            )
        except (StaleETag, DocumentNotFound):
            # Someone changed it meanwhile, and has left a lease of their own.
            return


def replaced(
    kind: str, resource: TrackedResource, document: Document, due_at: float | None = None
) -> Replace:
    return Replace(document.id, to_body(kind, resource), document.etag, due_at=due_at)
