"""Bringing what runs closer to what is wanted, one message at a time.

A look compares the wish with what the compute shows, takes the next step, and either ends the
operation or has another look follow. Lost, doubled and late messages are harmless:
domain/ground/driving/driver.py says how.
"""

from typing import Any, Generic, final

from domain.ground.driving.driver import Driving, Step
from domain.ground.driving.sweeping import Resume
from domain.ground.facts import Fact
from domain.ground.messages import PROVISIONING_QUEUE, Reconcile
from domain.ground.operation import ErrorRecord, OperationStatus
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import TrackedResource
from domain.ports import Clock, Delete, Document, Observation, WorkloadState, WorkQueue, Write
from domain.provisioning import endpoint_facts
from domain.provisioning.deployment_running import DeploymentRunning
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.endpoint_identities import EndpointIdentities
from domain.provisioning.endpoint_saving import LEASE, EndpointSaving, replaced
from domain.provisioning.kind import D, E, Kind
from domain.provisioning.place import Place

_S = ProvisioningState


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
        identities: EndpointIdentities[E, D],
    ) -> None:
        self._documents = documents
        self._identities = identities
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
        """Take over what nobody has given a sign of life for. Raises StaleETag."""
        await self._driving.resume(document)

    # -- what is driven -----------------------------------------------------------------

    async def find(self, message: Reconcile) -> Document | None:
        """Where a deployment is gone, nothing of it stays: a look that was under way meanwhile
        may have asked the compute for it once more."""
        place = Place(message.endpoint, message.deployment)
        document = await self._documents.find(place)
        if document is None and place.is_deployment and not await self._running.remove(place):
            await self._saving.send_again(message, pause_before(message.step))
        return document

    def read(self, document: Document) -> TrackedResource:
        return self._types.resource(document)

    async def step(
        self, state: TrackedResource, document: Document, message: Reconcile
    ) -> Step[TrackedResource] | None:
        pause = pause_before(message.step)
        if isinstance(state, self._types.deployment_type):
            return await self._deployment_step(state, document, message.step, pause)
        if isinstance(state, self._types.endpoint_type):
            return await self._endpoint_step(state, document, pause)
        return None

    async def save(
        self, document: Document, step: Step[TrackedResource], due_at: float | None
    ) -> None:
        write = replaced(step.state, document, due_at)
        if step.told:
            endpoint = Place.of(step.state).endpoint
            await self._saving.save(endpoint, [write, *step.beside], step.told)
        else:
            await self._saving.keep(document.partition, write)

    def message(self, state: TrackedResource, before: Reconcile | None) -> Reconcile:
        first = self._saving.message(state)
        return first if before is None else first.but(step=before.step + 1)

    def pause(self, state: TrackedResource) -> float:
        return 0.0

    # -- endpoints ----------------------------------------------------------------------

    async def _endpoint_step(
        self, endpoint: E, document: Document, pause: float
    ) -> Step[TrackedResource] | None:
        if endpoint.provisioning_state is _S.DELETING:
            removed = await self._remove_endpoint(endpoint, document)
            return None if removed else Step(endpoint, pause)
        if endpoint.provisioning_state.is_terminal:
            return Step(endpoint, None)
        await self._identities.settle(endpoint)
        ended = await self._saving.ended(endpoint, OperationStatus.SUCCEEDED)
        told = endpoint_facts.endpoint_ended(self._types.kind, endpoint)
        return Step(endpoint.moved(_S.SUCCEEDED), None, beside=tuple(ended), told=told)

    async def _remove_endpoint(self, endpoint: E, document: Document) -> bool:
        deployments = await self._documents.all_deployments(endpoint.name)
        places = [Place.of(stored.resource) for stored in deployments]
        gone = [await self._running.remove(place) for place in places]
        if not all(gone):
            return False
        await self._identities.release(endpoint)
        writes: list[Write] = [Delete(document.id, document.etag)]
        writes += await self._kind.beside_removal(endpoint.name, [place.name for place in places])
        for place, stored in zip(places, deployments, strict=True):
            writes.append(Delete(place.document_id, stored.etag))
            if stored.resource.operation_id != endpoint.operation_id:  # its own removal
                writes += await self._saving.ended(stored.resource, OperationStatus.SUCCEEDED)
        writes += await self._saving.ended(endpoint, OperationStatus.SUCCEEDED)
        gone_with_it = [stored.resource for stored in deployments]
        facts = endpoint_facts.deleted(self._types.kind, *gone_with_it, endpoint)
        await self._saving.save(endpoint.name, writes, facts)
        return True

    # -- deployments --------------------------------------------------------------------

    async def _deployment_step(
        self, deployment: D, document: Document, step: int, pause: float
    ) -> Step[TrackedResource] | None:
        state = deployment.provisioning_state
        if state is _S.DELETING:
            removed = await self._remove_deployment(deployment, document)
            return None if removed else Step(deployment, pause)
        if state is _S.FAILED:
            await self._keep_proven(deployment)
            return Step(deployment, None)
        seen = await self._running.look(deployment, step)
        if seen.state is WorkloadState.READY:
            return Step(deployment, None) if state.is_terminal else await self._success(deployment)
        if seen.state is WorkloadState.FAILED:
            return await self._failure(deployment, _error(seen))
        return Step(deployment, pause)

    async def _keep_proven(self, deployment: D) -> None:
        """What served before an update failed goes on serving, after a restart too."""
        before = self._kind.before_failure(deployment)
        if before is not None and await self._running.observe(Place.of(deployment)) is None:
            await self._running.look(before, 0)

    async def _success(self, deployment: D) -> Step[TrackedResource]:
        """Its operation is over: one transaction says so everywhere."""
        told = endpoint_facts.deployment_ready(self._types.kind, deployment)
        ended = await self._saving.ended(deployment, OperationStatus.SUCCEEDED)
        return await self._ended(self._kind.proven(deployment.moved(_S.SUCCEEDED)), ended, told)

    async def _failure(self, deployment: D, error: ErrorRecord) -> Step[TrackedResource]:
        """Its operation has failed; or it had succeeded, and has died for good."""
        told = endpoint_facts.deployment_failed(self._types.kind, deployment, error)
        if deployment.provisioning_state.is_terminal:
            broken = deployment.but(provisioning_state=_S.FAILED, error=error, proven=None)
            return await self._ended(broken, [], told)
        ended = await self._saving.ended(deployment, OperationStatus.FAILED, error)
        return await self._ended(deployment.moved(_S.FAILED, error), ended, told)

    async def _ended(
        self, deployment: D, beside: list[Write], told: list[Fact]
    ) -> Step[TrackedResource]:
        """Its endpoint is touched in the same transaction. Raises DocumentNotFound when that
        is gone."""
        owner = await self._documents.get(Place.of(deployment).owner)
        touched = self._saving.touched(self._types.endpoint(owner), owner)
        return Step(deployment, None, beside=(*beside, touched), told=told)

    async def _remove_deployment(self, deployment: D, document: Document) -> bool:
        place = Place.of(deployment)
        if not await self._running.remove(place):
            return False
        writes: list[Write] = [Delete(document.id, document.etag)]
        writes += await self._kind.beside_removal(place.endpoint, [place.name])
        writes += await self._saving.ended(deployment, OperationStatus.SUCCEEDED)
        facts = endpoint_facts.deleted(self._types.kind, deployment)
        await self._saving.save(place.endpoint, writes, facts)
        return True


def pause_before(step: int) -> float:
    """Seconds for which a reconciliation rests before its next look: 0.05 at first, 1 at
    most."""
    return min(1.0, 0.05 * 1.3 ** min(step, 20))


def _error(seen: Observation) -> ErrorRecord:
    return ErrorRecord(
        code=seen.code or "InternalServerError",
        message=seen.reason or "The compute gave no reason.",
    )
