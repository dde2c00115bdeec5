"""Endpoints and their deployments, as they are wished for.

Save, send, sweep: a mutation stores the wish, a new `generation` and an operation in one
transaction, then sends a `Reconcile`, which domain/provisioning/reconciler.py takes further.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar, final

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
from domain.ground.operation import Operation, OperationKind, OperationStatus
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Accepted, Conditions, Stored, TrackedResource, Wanted, to_body
from domain.ports import Clock, Create, Document, Principal, Replace, StorageRoom, Write
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.endpoint_identities import EndpointIdentities
from domain.provisioning.endpoint_saving import LEASE, EndpointSaving, created, replaced
from domain.provisioning.kind import DP, EP, D, E, Kind
from domain.provisioning.place import Place

R = TypeVar("R", bound=TrackedResource)
T = TypeVar("T")

MAX_DEPLOYMENTS = 20
"""Azure ML's limit for one endpoint."""

_LOOKS = 20
"""How often a change is tried anew when others write to the same endpoint meanwhile."""

_S = ProvisioningState

_log = logging.getLogger("ml_endpoints.story")


@final
class Provisioning(Generic[E, EP, D, DP]):
    """Takes wishes, for one kind of endpoint."""

    def __init__(
        self,
        documents: EndpointDocuments[E, D],
        kind: Kind[E, EP, D, DP],
        saving: EndpointSaving[E, D],
        clock: Clock,
        room: StorageRoom,
        identities: EndpointIdentities[E, D],
    ) -> None:
        self._documents = documents
        self._types = kind.types
        self._kind = kind
        self._saving = saving
        self._clock = clock
        self._room = room
        self._identities = identities

    # -- endpoints ----------------------------------------------------------------------

    async def put_endpoint(
        self, name: str, wanted: Wanted[EP], caller: Principal, conditions: Conditions
    ) -> Accepted[E]:
        """Create or update. Raises Invalid with every fault, PreconditionFailed, and
        Conflict while an operation runs."""
        return await _steadily(lambda: self._put_endpoint(name, wanted, caller, conditions))

    async def _put_endpoint(
        self, name: str, wanted: Wanted[EP], caller: Principal, conditions: Conditions
    ) -> Accepted[E]:
        place = Place(name)
        document = await self._documents.find(place)
        conditions.check(document, self._documents.noun(place))
        old = self._types.endpoint(document) if document else None
        siblings = await self._documents.all_deployments(name) if old else []
        faults = await self._kind.endpoint_faults(wanted, old, [s.resource for s in siblings])
        faults += await self._identities.faults(wanted)
        if old is None and (fault := names.endpoint_name_fault(name)):
            faults.insert(0, Detail("InvalidName", fault, "name"))
        refuse(faults)
        now = self._clock.now()
        if old:
            old = old.moved(_S.UPDATING)
        wanted = wanted.but(identity=await self._identities.taken(wanted, old))
        new = self._kind.new_endpoint(name, wanted, old, caller.id, now)
        beside = self._kind.beside_endpoint(old, new, now)
        kind = OperationKind.UPDATE if old else OperationKind.CREATE
        operation = self._saving.started(kind, new, now)
        facts = self._kind.endpoint_facts(old, new)
        accepted = await self._save(new, document, operation, beside, facts)
        await self._identities.settle_soon(new)
        return accepted

    async def change_endpoint(
        self,
        name: str,
        kind: OperationKind,
        change: Callable[[E, datetime], E],
        caller: str,
    ) -> Accepted[E]:
        """An operation on an endpoint as it is, which `change` makes another of. Raises
        NotFound, Conflict while an operation runs, and what `change` raises."""
        return await _steadily(lambda: self._change_endpoint(name, kind, change, caller))

    async def _change_endpoint(
        self,
        name: str,
        kind: OperationKind,
        change: Callable[[E, datetime], E],
        caller: str,
    ) -> Accepted[E]:
        document = await self._documents.found(Place(name))
        old, now = self._types.endpoint(document), self._clock.now()
        new = self._kind.touched(change(old, now).moved(_S.UPDATING)).but(
            generation=old.generation + 1, modified_at=now, modified_by=caller
        )
        operation = self._saving.started(kind, new, now)
        facts = self._kind.endpoint_facts(old, new)
        return await self._save(new, document, operation, (), facts)

    async def delete_endpoint(
        self, name: str, caller: str, conditions: Conditions
    ) -> Accepted[E] | None:
        """Begin to remove the endpoint and every deployment; None if it is not there.
        Supersedes whatever runs."""
        return await _steadily(lambda: self._delete_endpoint(name, caller, conditions))

    async def _delete_endpoint(
        self, name: str, caller: str, conditions: Conditions
    ) -> Accepted[E] | None:
        place = Place(name)
        document = await self._documents.find(place)
        if document is None:
            return None
        conditions.check(document, self._documents.noun(place))
        old = self._types.endpoint(document)
        if underway := await self._removal_underway(old, document):
            return underway
        operation = self._saving.started(OperationKind.DELETE, old, self._clock.now())
        beside = await self._superseded(old)
        for stored in await self._documents.all_deployments(name):
            beside += await self._removed_with(operation, stored, caller)
        gone = self._removed(old, caller)
        return await self._save(gone, document, operation, beside)

    async def _removed_with(
        self, operation: Operation, stored: Stored[D], caller: str
    ) -> list[Write]:
        """A deployment goes with its endpoint."""
        deployment = stored.resource
        if deployment.provisioning_state is _S.DELETING:
            return []
        # The new generation makes the messages of its own operation stale.
        gone = self._removed(deployment, caller).but(operation_id=operation.id)
        id = Place.of(deployment).document_id
        write = Replace(id, to_body(self._types.deployment_kind, gone), stored.etag)
        return [write, *await self._superseded(deployment)]

    # -- deployments --------------------------------------------------------------------

    async def put_deployment(
        self,
        endpoint: str,
        name: str,
        wanted: Wanted[DP],
        caller: Principal,
        conditions: Conditions,
    ) -> Accepted[D]:
        """Create or update. Raises as `put_endpoint` does, Forbidden for what the caller may not
        name, NotFound for an endpoint that is not there, and StorageFull while no new work is
        begun, but for another count of instances."""
        return await _steadily(
            lambda: self._put_deployment(Place(endpoint, name), wanted, caller, conditions)
        )

    async def _put_deployment(
        self, place: Place, wanted: Wanted[DP], caller: Principal, conditions: Conditions
    ) -> Accepted[D]:
        owner, parent = await self._owner_to_be(place)
        document = await self._documents.find(place)
        conditions.check(document, self._documents.noun(place))
        old = self._types.deployment(document) if document else None
        faults: list[Detail] = []
        if old:
            old.provisioning_state.to(_S.UPDATING)
        elif fault := names.endpoint_name_fault(place.name):
            faults.append(Detail("InvalidName", fault, "name"))
        now = self._clock.now()
        try:
            new = await self._kind.new_deployment(owner, place.name, wanted, old, caller, now)
        except Invalid as error:
            refuse([*faults, *error.details])
            raise
        refuse(faults)
        scaled = old is not None and self._kind.is_only_scaled(old, new)
        if not scaled:
            await self._room.check()
        if old:
            new = new.moved(_S.SCALING if scaled else _S.UPDATING)
        else:
            await self._check_quota(place.owner)
        kind = OperationKind.UPDATE if old else OperationKind.CREATE
        beside = [
            self._saving.touched(owner, parent),
            *await self._kind.beside_deployment(old, new, now),
        ]
        operation = self._saving.started(kind, new, now)
        accepted = await self._save(new, document, operation, beside)
        if old:
            await self._kind.tell_scaled(old, new)
        return accepted

    async def _owner_to_be(self, place: Place) -> tuple[E, Document]:
        """Raises NotFound, and Conflict for an endpoint that goes."""
        noun = self._documents.noun(place.owner)
        parent = await self._documents.find(place.owner)
        if parent is None:
            raise NotFound(f"{noun} was not found. Create it first.")
        owner = self._types.endpoint(parent)
        if owner.provisioning_state is _S.DELETING:
            raise Conflict(f"{noun} is being deleted.")
        return owner, parent

    async def _check_quota(self, owner: Place) -> None:
        siblings = await self._documents.all_deployments(owner.endpoint)
        if len(siblings) >= MAX_DEPLOYMENTS:
            raise Conflict(
                f"{self._documents.noun(owner)} has {len(siblings)} deployments; "
                f"{MAX_DEPLOYMENTS} is the limit. Delete one first.",
                code="QuotaExceeded",
            )

    async def delete_deployment(
        self, endpoint: str, name: str, caller: str, conditions: Conditions
    ) -> Accepted[D] | None:
        """Begin to remove the deployment; None if it is not there. Raises Conflict while
        the endpoint needs it. Supersedes an operation that runs."""
        return await _steadily(
            lambda: self._delete_deployment(Place(endpoint, name), caller, conditions)
        )

    async def _delete_deployment(
        self, place: Place, caller: str, conditions: Conditions
    ) -> Accepted[D] | None:
        document = await self._documents.find(place)
        if document is None:
            return None
        conditions.check(document, self._documents.noun(place))
        old = self._types.deployment(document)
        parent = await self._documents.get(place.owner)
        owner = self._types.endpoint(parent)
        if owner.provisioning_state is not _S.DELETING:
            self._kind.check_removable(owner, old)
        if underway := await self._removal_underway(old, document):
            return underway
        operation = self._saving.started(OperationKind.DELETE, old, self._clock.now())
        beside = [
            self._saving.touched(owner, parent),
            *await self._superseded(old),
        ]
        return await self._save(self._removed(old, caller), document, operation, beside)

    # -- both ---------------------------------------------------------------------------

    async def _removal_underway(self, old: R, document: Document) -> Accepted[R] | None:
        """The removal that an earlier DELETE began; deleting twice is one removal."""
        if old.provisioning_state is not _S.DELETING:
            return None
        operation = await self._saving.operation(old)
        return Accepted(operation, old, document.etag) if operation else None

    async def _superseded(self, old: TrackedResource) -> list[Write]:
        """What ends the operation that a DELETE cuts short."""
        if old.provisioning_state.is_terminal:
            return []
        return await self._saving.ended(old, OperationStatus.CANCELED)

    def _removed(self, old: R, caller: str) -> R:
        return old.moved(_S.DELETING).but(
            generation=old.generation + 1, modified_at=self._clock.now(), modified_by=caller
        )

    async def _save(
        self,
        new: R,
        document: Document | None,
        operation: Operation,
        beside: Sequence[Write],
        facts: Sequence[Fact] = (),
    ) -> Accepted[R]:
        """One transaction for the wish and its operation, then the message. Raises what the
        store does when it has lost a race."""
        place, new = Place.of(new), new.but(operation_id=operation.id)
        due_at = operation.started_at.timestamp() + LEASE / 6
        write: Write
        if document is None:
            body = to_body(self._types.store_kind(place), new)
            write = Create(place.document_id, body, due_at=due_at)
        else:
            write = replaced(new, document, due_at)
        told = [fact.but(operation=operation.id) for fact in facts]
        saved, *_ = await self._saving.save(
            place.endpoint, [write, created(operation), *beside], told
        )
        _tell(operation, new, place)
        await self._saving.send(new)
        return Accepted(operation, new, saved.etag, new=document is None)


def _tell(operation: Operation, new: TrackedResource, place: Place) -> None:
    _log.info(
        "%s of %s begins, asked for by %s",
        operation.kind.value,
        f"deployment {place.name} of {place.endpoint}" if place.is_deployment else place.endpoint,
        new.modified_by,
        extra={
            "action": "operation_begun",
            "asked": operation.kind.value,
            "endpoint": place.endpoint,
            **({"deployment": place.name} if place.is_deployment else {}),
            "generation": new.generation,
            "operation": operation.id,
            "by": new.modified_by,
        },
    )


async def _steadily(attempt: Callable[[], Awaitable[T]]) -> T:
    """What `attempt` reads and then writes, with fresh eyes as long as somebody else writes in
    between: who loses a race is told what the winner has made of things."""
    for _ in range(_LOOKS):
        try:
            return await attempt()
        except (StaleETag, DocumentExists, DocumentNotFound):
            continue
    raise Conflict("This is being changed by other requests at the same moment. Try again.")
