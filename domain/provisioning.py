"""Endpoints and their deployments from wish to being: what the online and the batch kind
share.

Save, send, sweep: a mutation stores the wish, a new `generation` and an operation in one
transaction, then sends a `Reconcile`. Its handler compares the wish with what the compute
shows, takes the next step, and either ends the operation or sends itself a delayed message.
What a crash leaves unsent, `resume` sends again. Lost, doubled and late messages are harmless.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Generic, Literal, TypeVar

from domain import names
from domain.errors import (
    Conflict,
    Detail,
    DocumentExists,
    DocumentNotFound,
    DomainError,
    Invalid,
    NotFound,
    StaleETag,
    Throttled,
    Unavailable,
    refuse,
)
from domain.messages import PROVISIONING_QUEUE, Reconcile
from domain.operation import (
    OPERATION_TTL,
    ErrorRecord,
    Operation,
    OperationKind,
    OperationStatus,
    operation_document_id,
)
from domain.ports import (
    Clock,
    Compute,
    Create,
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
from domain.provisioning_state import ProvisioningState
from domain.resource import (
    Accepted,
    Conditions,
    Stored,
    TrackedResource,
    Wanted,
    from_document,
    to_body,
)
from domain.values import Value

E = TypeVar("E", bound=TrackedResource)
D = TypeVar("D", bound=TrackedResource)
EP = TypeVar("EP", bound=Value)
DP = TypeVar("DP", bound=Value)
R = TypeVar("R", bound=TrackedResource)
T = TypeVar("T")

ENDPOINT_ID = "endpoint"
MAX_DEPLOYMENTS = 20
"""Azure ML's limit for one endpoint."""

LEASE = 30.0
"""Seconds without a sign of life after which the sweep takes a reconciliation over."""

GRACE = timedelta(seconds=10)
"""What requests in flight are given when a deployment is removed."""

_LOOKS = 20
"""How often a change is tried anew when others write to the same endpoint meanwhile."""

_OPERATION_KIND = "operation"
_S = ProvisioningState
_SETTLED = (_S.SUCCEEDED, _S.CANCELED)


def deployment_id(name: str) -> str:
    return f"deployment:{name.casefold()}"


def pause_before(step: int) -> timedelta:
    """How long a reconciliation rests before its next look: 50 ms at first, 1 s at most."""
    return timedelta(seconds=min(1.0, 0.05 * 1.3 ** min(step, 20)))


class Provisioning(ABC, Generic[E, EP, D, DP]):
    """The control plane of one kind of endpoint. Subclasses say what is valid and what is
    to run; this class says how a wish becomes true."""

    kind: ClassVar[Literal["onlineEndpoints", "batchEndpoints"]]
    endpoint_kind: ClassVar[str]
    deployment_kind: ClassVar[str]
    endpoint_type: type[E]
    deployment_type: type[D]

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        compute: Compute,
        clock: Clock,
        scope: names.WorkspaceScope,
        location: str,
    ) -> None:
        self._store = store
        self._queue = queue
        self._compute = compute
        self._clock = clock
        self._scope = scope
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

    @abstractmethod
    async def _new_deployment(
        self, endpoint: E, name: str, wanted: Wanted[DP], old: D | None, caller: str, now: datetime
    ) -> D:
        """The entity that `wanted` makes of `old`. Raises Invalid with every fault."""

    @abstractmethod
    def _is_only_scaled(self, old: D, new: D) -> bool:
        """Whether nothing but the instance count differs."""

    @abstractmethod
    def _check_removable(self, endpoint: E, deployment: D) -> None:
        """Raises Conflict while the endpoint still needs the deployment."""

    @abstractmethod
    async def _workload(self, deployment: D) -> Workload:
        """What the deployment wants running. Raises DomainError if something it points at
        is gone."""

    @abstractmethod
    def _workload_key(self, endpoint: str, deployment: str) -> str: ...

    @abstractmethod
    def _touched(self, endpoint: E) -> E:
        """The endpoint after one of its deployments has changed."""

    def _changed(self, endpoint: str) -> None:  # a kind may have nobody to tell
        """Called after anything of the endpoint was saved."""

    # -- names --------------------------------------------------------------------------

    def partition(self, endpoint: str) -> str:
        return f"{self.kind}/{endpoint.casefold()}"

    def endpoint_arm_id(self, endpoint: str) -> str:
        return self._scope.path(self.kind, endpoint)

    def deployment_arm_id(self, endpoint: str, deployment: str) -> str:
        return self._scope.path(self.kind, endpoint, "deployments", deployment)

    # -- reading ------------------------------------------------------------------------

    async def endpoint(self, name: str) -> Stored[E]:
        """Raises NotFound."""
        document = await self._find(name)
        if document is None:
            raise NotFound(f"{self._endpoint_noun(name)} was not found.")
        return Stored(from_document(self.endpoint_type, document), document.etag)

    async def endpoints(
        self, top: int, continuation: str | None
    ) -> tuple[list[Stored[E]], str | None]:
        page = await self._store.query(self.endpoint_kind, page_size=top, continuation=continuation)
        found = [Stored(from_document(self.endpoint_type, d), d.etag) for d in page.documents]
        return found, page.continuation

    async def deployment(self, endpoint: str, name: str) -> Stored[D]:
        """Raises NotFound, for the endpoint first."""
        document = await self._find(endpoint, name)
        if document is None:
            await self.endpoint(endpoint)
            raise NotFound(f"{self._deployment_noun(endpoint, name)} was not found.")
        return Stored(from_document(self.deployment_type, document), document.etag)

    async def deployments(
        self, endpoint: str, top: int, continuation: str | None = None
    ) -> tuple[list[Stored[D]], str | None]:
        """Raises NotFound for an endpoint that is not there."""
        await self.endpoint(endpoint)
        page = await self._store.query(
            self.deployment_kind,
            partition=self.partition(endpoint),
            page_size=top,
            continuation=continuation,
        )
        found = [Stored(from_document(self.deployment_type, d), d.etag) for d in page.documents]
        return found, page.continuation

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
        return await self._save(new, document, self._started(kind, new, now))

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
        return await self._save(new, document, operation, [self._touch(owner, parent)])

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

    def _touch(self, owner: E, parent: Document) -> Write:
        """The endpoint's own lease, if it has one, stays."""
        return _replace(self.endpoint_kind, self._touched(owner), parent, parent.due_at)

    def _removed(self, old: R, caller: str) -> R:
        return old.moved(_S.DELETING).but(
            generation=old.generation + 1, modified_at=self._clock.now(), modified_by=caller
        )

    def _started(self, kind: OperationKind, resource: TrackedResource, now: datetime) -> Operation:
        owner = _owner(resource)
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
        if document is None:
            id = deployment_id(new.name) if is_deployment else ENDPOINT_ID
            write = Create(id, to_body(store_kind, new), due_at=due_at)
        else:
            write = _replace(store_kind, new, document, due_at=due_at)
        written = await self._store.transact(
            operation.partition, [write, _create_operation(operation), *beside]
        )
        owner = _owner(new)
        self._changed(owner)
        await self._send(new, owner)
        saved = written[0]
        if saved is None:
            raise AssertionError("a create or replace returns its document")
        return Accepted(operation, new, saved.etag, new=document is None)

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

    # -- becoming true ------------------------------------------------------------------

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
        try:
            workload = await self._workload(deployment)
        except (Throttled, Unavailable):
            raise
        except DomainError as error:
            return Observation(
                "", WorkloadState.FAILED, 0, 0, False, code=error.code, reason=error.message
            )
        if step:
            seen = await self._compute.observe(workload.key)
            if seen and (seen.revision, seen.wanted) == (
                workload.revision,
                workload.instance_count,
            ):
                return seen
        return await self._compute.ensure(workload)

    async def _remove_deployment(self, deployment: D, document: Document) -> bool:
        owner = _owner(deployment)
        key = self._workload_key(owner, deployment.name)
        if not await self._compute.remove(key, grace=GRACE):
            return False
        writes: list[Write] = [Delete(document.id, document.etag)]
        writes += await self._ended_operation(deployment, OperationStatus.SUCCEEDED)
        await self._store.transact(document.partition, writes)
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
        for stored in found:
            writes.append(Delete(deployment_id(stored.resource.name), stored.etag))
            if stored.resource.operation_id != endpoint.operation_id:  # its own removal
                writes += await self._ended_operation(stored.resource, OperationStatus.SUCCEEDED)
        writes += await self._ended_operation(endpoint, OperationStatus.SUCCEEDED)
        await self._store.transact(document.partition, writes)
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
        status = OperationStatus(state.value)
        writes: list[Write] = [_replace(document.body["kind"], ended, document)]
        writes += await self._ended_operation(resource, status, error)
        await self._end_with_owner(resource, document, writes)

    async def _break(self, deployment: D, document: Document, error: ErrorRecord) -> None:
        """A deployment that had succeeded has died for good: its state says so."""
        broken = deployment.but(provisioning_state=_S.FAILED, error=error)
        writes: list[Write] = [_replace(document.body["kind"], broken, document)]
        await self._end_with_owner(deployment, document, writes)

    async def _end_with_owner(
        self, resource: TrackedResource, document: Document, writes: list[Write]
    ) -> None:
        if isinstance(resource, self.deployment_type):
            parent = await self._store.get(document.partition, ENDPOINT_ID)
            endpoint = from_document(self.endpoint_type, parent)
            writes = [*writes, self._touch(endpoint, parent)]
        await self._store.transact(document.partition, writes)
        self._changed(_owner(resource))

    async def _ended_operation(
        self, resource: TrackedResource, status: OperationStatus, error: ErrorRecord | None = None
    ) -> list[Write]:
        if resource.operation_id is None:
            return []
        id = operation_document_id(resource.operation_id)
        found = await self._get(self.partition(_owner(resource)), id)
        if found is None:
            return []
        operation = Operation.from_document(found.body["operation"])
        ended = operation.end(status, self._clock.now(), error)
        return [Replace(id, _operation_body(ended), found.etag, ttl=OPERATION_TTL)]

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
            document.partition, [_replace(document.body["kind"], taken, document, due_at)]
        )
        await self._send(taken, _owner(taken))

    async def restore(self) -> None:
        """Set every deployment going that should run and does not, as after a start, and
        find those that have died for good. Where an operation or a lease runs, its own
        messages (or the sweep) do that."""
        continuation: str | None = None
        while True:
            page = await self._store.query(self.deployment_kind, continuation=continuation)
            for document in page.documents:
                deployment = from_document(self.deployment_type, document)
                if deployment.provisioning_state in _SETTLED and document.due_at is None:
                    await self._watch(deployment)
            continuation = page.continuation
            if continuation is None:
                return

    async def _watch(self, deployment: D) -> None:
        owner = _owner(deployment)
        seen = await self._compute.observe(self._workload_key(owner, deployment.name))
        if seen is None or seen.state is not WorkloadState.READY:
            # Not a first look: what has failed is to be told of, not revived.
            await self._send(deployment, owner, step=1)

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

    # -- small things -------------------------------------------------------------------

    async def _find(self, endpoint: str, deployment: str | None = None) -> Document | None:
        """The document of an endpoint, or of a deployment; None too for what is no name."""
        id = ENDPOINT_ID if deployment is None else deployment_id(deployment)
        given = [endpoint] if deployment is None else [endpoint, deployment]
        if any(names.endpoint_name_fault(name) for name in given):
            return None
        return await self._get(self.partition(endpoint), id)

    async def _get(self, partition: str, id: str) -> Document | None:
        try:
            return await self._store.get(partition, id)
        except DocumentNotFound:
            return None

    def _endpoint_noun(self, name: str) -> str:
        return f"{'Online' if self.kind == 'onlineEndpoints' else 'Batch'} endpoint '{name[:64]}'"

    def _deployment_noun(self, endpoint: str, name: str) -> str:
        return f"Deployment '{name[:64]}' of {self._endpoint_noun(endpoint).casefold()}"


def _owner(resource: TrackedResource) -> str:
    owner: str = getattr(resource, "endpoint", resource.name)
    return owner


def _replace(
    kind: str, resource: TrackedResource, document: Document, due_at: float | None = None
) -> Replace:
    return Replace(document.id, to_body(kind, resource), document.etag, due_at=due_at)


def _operation_body(operation: Operation) -> dict[str, object]:
    return {"kind": _OPERATION_KIND, "operation": operation.to_document()}


def _create_operation(operation: Operation) -> Create:
    return Create(
        operation_document_id(operation.id), _operation_body(operation), ttl=OPERATION_TTL
    )
