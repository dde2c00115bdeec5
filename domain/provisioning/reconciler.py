"""Bringing what runs closer to what is wanted, one message at a time.

A message's look compares the wish with what the compute shows, takes the next step, and either
ends the operation or has the next look follow. It goes by the driver of
domain/ground/driving.py, without a write for each look: lost, doubled and late messages are
harmless.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, Self, final

from domain.errors import DocumentNotFound, StaleETag
from domain.ground.driving import Driving, Step
from domain.ground.facts import Fact
from domain.ground.messages import PROVISIONING_QUEUE, Reconcile
from domain.ground.operation import ErrorRecord, OperationStatus
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.sweeping import Resume
from domain.ports import Clock, Delete, Document, Observation, WorkloadState, WorkQueue, Write
from domain.provisioning import endpoint_facts
from domain.provisioning.deployment_running import DeploymentRunning
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.endpoint_saving import LEASE, EndpointSaving, pause_before, replaced
from domain.provisioning.kind import D, E, Kind
from domain.provisioning.place import Place

_S = ProvisioningState


class _Look(Enum):
    """What has come of a look. SAVED: by itself, and nothing is left to do."""

    NOT_YET = "not yet"
    NOTHING_LEFT = "nothing left"
    SAVED = "saved"


@dataclass(frozen=True)
class Placed(Generic[E, D]):
    """An endpoint or a deployment, and which. Messages name its chain and its generation."""

    place: Place
    resource: E | D

    @property
    def chain(self) -> int:
        return self.resource.chain

    @property
    def generation(self) -> int:
        return self.resource.generation

    def but(self, **changes: Any) -> Self:
        return replace(self, resource=self.resource.but(**changes))


@final
class Reconciler(Generic[E, D]):
    """How a wish becomes true, for one kind of endpoint."""

    queue = PROVISIONING_QUEUE
    grace = LEASE

    def __init__(
        self,
        documents: EndpointDocuments[E, D],
        kind: Kind[E, Any, D, Any],
        running: DeploymentRunning[D],
        saving: EndpointSaving[E, D],
        queue: WorkQueue,
        clock: Clock,
    ) -> None:
        self._documents = documents
        self._types = kind.types
        self._kind = kind
        self._running = running
        self._saving = saving
        self._driving = Driving(self, queue, clock)

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return dict.fromkeys((self._types.endpoint_kind, self._types.deployment_kind), self.resume)

    async def reconcile(self, message: Reconcile) -> None:
        """Take the next step for one endpoint or deployment. A stale message does nothing."""
        await self._driving.go_on(message)

    async def resume(self, document: Document) -> None:
        """The sweep's part: take over what nobody has given a sign of life for."""
        await self._driving.resume(document)

    # -- what is driven -----------------------------------------------------------------

    async def find(self, message: Reconcile) -> Document | None:
        place = Place(message.endpoint, message.deployment)
        document = await self._documents.find(place)
        if document is None:
            await self._clear(place, message)
        return document

    def read(self, document: Document) -> Placed[E, D]:
        place = self._types.place(document)
        if place.is_deployment:
            return Placed(place, self._types.deployment(document))
        return Placed(place, self._types.endpoint(document))

    async def step(
        self, state: Placed[E, D], document: Document, message: Reconcile
    ) -> Step[Placed[E, D]] | None:
        try:
            match await self._look(state, document, message.step):
                case _Look.SAVED:
                    return None
                case _Look.NOTHING_LEFT:
                    return Step(state, None)
        except (StaleETag, DocumentNotFound):
            # Somebody wrote in between: the next look is at what they have made of it.
            pass
        return Step(state, pause_before(message.step).total_seconds())

    async def save(
        self, document: Document, step: Step[Placed[E, D]], due_at: float | None
    ) -> None:
        await self._saving.keep(step.state.resource, document, due_at)

    def message(self, state: Placed[E, D], before: Reconcile | None) -> Reconcile:
        step = 0 if before is None else before.step + 1
        return self._saving.message(state.place, state.resource, step)

    def pause(self, state: Placed[E, D]) -> float:
        return 0.0

    async def _clear(self, place: Place, message: Reconcile) -> None:
        """The deployment is gone. A look that was under way meanwhile may have asked the
        compute for it once more: nothing of that stays."""
        if place.is_deployment and not await self._running.remove(place):
            await self._saving.look_again(message)

    async def _look(self, state: Placed[E, D], document: Document, step: int) -> _Look:
        resource = state.resource
        if isinstance(resource, self._types.deployment_type):
            return await self._look_at_deployment(state.place, resource, document, step)
        if isinstance(resource, self._types.endpoint_type):
            return await self._look_at_endpoint(resource, document)
        raise AssertionError("a kind has endpoints and deployments")

    # -- endpoints ----------------------------------------------------------------------

    async def _look_at_endpoint(self, endpoint: E, document: Document) -> _Look:
        if endpoint.provisioning_state is _S.DELETING:
            removed = await self._remove_endpoint(endpoint, document)
            return _Look.SAVED if removed else _Look.NOT_YET
        if endpoint.provisioning_state.is_terminal:
            return _Look.NOTHING_LEFT
        place = self._types.place(document)
        facts = endpoint_facts.endpoint_ended(self._types.kind, place, endpoint.provisioning_state)
        writes: list[Write] = [replaced(endpoint.moved(_S.SUCCEEDED), document)]
        writes += await self._saving.ended(endpoint, place.endpoint, OperationStatus.SUCCEEDED)
        await self._saving.save(place.endpoint, writes, facts)
        return _Look.SAVED

    async def _remove_endpoint(self, endpoint: E, document: Document) -> bool:
        deployments = await self._documents.all_deployments(endpoint.name)
        names = [stored.resource.name for stored in deployments]
        places = [Place(endpoint.name, name) for name in names]
        gone = [await self._running.remove(place) for place in places]
        if not all(gone):
            return False
        writes: list[Write] = [Delete(document.id, document.etag)]
        writes += await self._kind.beside_removal(endpoint.name, names)
        succeeded = OperationStatus.SUCCEEDED
        for place, stored in zip(places, deployments, strict=True):
            writes.append(Delete(place.document_id, stored.etag))
            if stored.resource.operation_id != endpoint.operation_id:  # its own removal
                writes += await self._saving.ended(stored.resource, endpoint.name, succeeded)
        writes += await self._saving.ended(endpoint, endpoint.name, succeeded)
        facts = endpoint_facts.deleted(self._types.kind, *places, Place(endpoint.name))
        await self._saving.save(endpoint.name, writes, facts)
        return True

    # -- deployments --------------------------------------------------------------------

    async def _look_at_deployment(
        self, place: Place, deployment: D, document: Document, step: int
    ) -> _Look:
        state = deployment.provisioning_state
        if state is _S.DELETING:
            removed = await self._remove_deployment(place, deployment, document)
            return _Look.SAVED if removed else _Look.NOT_YET
        if state is _S.FAILED:
            await self._keep_proven(place, deployment)
            return _Look.NOTHING_LEFT
        seen = await self._running.look(place, deployment, step)
        if seen.state is WorkloadState.READY:
            if state.is_terminal:
                return _Look.NOTHING_LEFT
            await self._succeed(place, deployment, document)
            return _Look.SAVED
        if seen.state is WorkloadState.FAILED:
            await self._fail(place, deployment, document, _error(seen))
            return _Look.SAVED
        return _Look.NOT_YET

    async def _keep_proven(self, place: Place, deployment: D) -> None:
        """What served before an update failed goes on serving, after a restart too."""
        before = self._kind.before_failure(deployment)
        if before is not None and await self._running.observe(place) is None:
            await self._running.look(place, before, 0)

    async def _succeed(self, place: Place, deployment: D, document: Document) -> None:
        """Its operation is over: one transaction says so everywhere."""
        ended = self._kind.proven(deployment.moved(_S.SUCCEEDED))
        writes: list[Write] = [replaced(ended, document)]
        writes += await self._saving.ended(deployment, place.endpoint, OperationStatus.SUCCEEDED)
        facts = endpoint_facts.deployment_ready(self._types.kind, place)
        await self._save_with_endpoint(place, writes, facts)

    async def _fail(
        self, place: Place, deployment: D, document: Document, error: ErrorRecord
    ) -> None:
        """Its operation has failed; or it had succeeded, and has died for good."""
        writes: list[Write] = []
        if deployment.provisioning_state.is_terminal:
            broken = deployment.but(provisioning_state=_S.FAILED, error=error, proven=None)
            writes.append(replaced(broken, document))
        else:
            writes.append(replaced(deployment.moved(_S.FAILED, error), document))
            failed = OperationStatus.FAILED
            writes += await self._saving.ended(deployment, place.endpoint, failed, error)
        facts = endpoint_facts.deployment_failed(self._types.kind, place, error)
        await self._save_with_endpoint(place, writes, facts)

    async def _remove_deployment(self, place: Place, deployment: D, document: Document) -> bool:
        if not await self._running.remove(place):
            return False
        writes: list[Write] = [Delete(document.id, document.etag)]
        writes += await self._kind.beside_removal(place.endpoint, [place.name])
        writes += await self._saving.ended(deployment, place.endpoint, OperationStatus.SUCCEEDED)
        facts = endpoint_facts.deleted(self._types.kind, place)
        await self._saving.save(place.endpoint, writes, facts)
        return True

    async def _save_with_endpoint(
        self, place: Place, writes: Sequence[Write], facts: Sequence[Fact]
    ) -> None:
        """Raises StaleETag or DocumentNotFound when somebody else was first."""
        parent = await self._documents.get(place.owner)
        touched = self._saving.touched(self._types.endpoint(parent), parent)
        await self._saving.save(place.endpoint, [*writes, touched], facts)


def _error(seen: Observation) -> ErrorRecord:
    return ErrorRecord(
        code=seen.code or "InternalServerError",
        message=seen.reason or "The compute gave no reason.",
    )
