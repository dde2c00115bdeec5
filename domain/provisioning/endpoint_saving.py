"""Saving endpoints and deployments: in one transaction with their operations and what is told
of them; then the message that has them reconciled."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, final

from domain.errors import DocumentNotFound
from domain.ground.facts import Fact
from domain.ground.messages import PROVISIONING_QUEUE, Reconcile
from domain.ground.operation import (
    OPERATION_TTL,
    ErrorRecord,
    Operation,
    OperationKind,
    OperationStatus,
    operation_body,
    operation_document_id,
)
from domain.ground.outbox import Outbox
from domain.ground.resource import TrackedResource, to_body
from domain.ports import Clock, Create, Document, Message, Replace, ResourceStore, WorkQueue, Write
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.kind import D, E, Kind
from domain.provisioning.place import Place

LEASE = 30.0
"""Seconds without a sign of life after which the sweep takes a reconciliation over."""


@final
class EndpointSaving(Generic[E, D]):
    """One kind of endpoint."""

    def __init__(
        self,
        documents: EndpointDocuments[E, D],
        kind: Kind[E, Any, D, Any],
        store: ResourceStore,
        queue: WorkQueue,
        clock: Clock,
        outbox: Outbox,
    ) -> None:
        self._documents = documents
        self._kind = kind
        self._types = kind.types
        self._store = store
        self._queue = queue
        self._clock = clock
        self._outbox = outbox

    # -- writes, to be saved together ---------------------------------------------------

    def touched(self, endpoint: E, document: Document) -> Write:
        """The endpoint, told of a change of a deployment. Its own lease, if it has one, stays."""
        return replaced(self._kind.touched(endpoint), document, document.due_at)

    def started(self, kind: OperationKind, resource: TrackedResource, now: datetime) -> Operation:
        place = Place.of(resource)
        partition = self._types.partition(place.endpoint)
        return Operation.start(kind, partition, self._documents.arm_id(place), now)

    async def operation(self, resource: TrackedResource) -> Operation | None:
        """The last one of a resource, while it is kept."""
        document = await self._operation(resource)
        return Operation.from_document(document.body["operation"]) if document else None

    async def _operation(self, resource: TrackedResource) -> Document | None:
        if resource.operation_id is None:
            return None
        id = operation_document_id(resource.operation_id)
        try:
            return await self._store.get(self._types.partition(Place.of(resource).endpoint), id)
        except DocumentNotFound:
            return None

    async def ended(
        self,
        resource: TrackedResource,
        status: OperationStatus,
        error: ErrorRecord | None = None,
    ) -> list[Write]:
        """What ends the operation that the resource is in."""
        document = await self._operation(resource)
        if document is None:
            return []
        operation = Operation.from_document(document.body["operation"])
        body = operation_body(operation.end(status, self._clock.now(), error))
        return [Replace(document.id, body, document.etag, ttl=OPERATION_TTL)]

    # -- saving -------------------------------------------------------------------------

    async def save(
        self, endpoint: str, writes: Sequence[Write], facts: Sequence[Fact]
    ) -> Sequence[Document]:
        """One transaction. Raises what the store does when it has lost a race."""
        partition = self._types.partition(endpoint)
        written = await self._outbox.transact(partition, writes, facts)
        self._kind.changed(endpoint)
        return written

    async def keep(self, partition: str, write: Write) -> None:
        """What only says how long nobody need look after a resource, or that nobody need."""
        await self._store.transact(partition, [write])

    # -- messages -----------------------------------------------------------------------

    async def send(self, resource: TrackedResource, step: int = 0) -> None:
        """Have the resource reconciled; with a `step` as what it is, not as something new."""
        message = self.message(resource).but(step=step)
        await self._queue.send(PROVISIONING_QUEUE, Message(message.to_document()))

    async def send_again(self, message: Reconcile, pause: float) -> None:
        again = message.but(step=message.step + 1).to_document()
        await self._queue.send(PROVISIONING_QUEUE, Message(again, delay=timedelta(seconds=pause)))

    def message(self, resource: TrackedResource) -> Reconcile:
        """The first one of its chain."""
        place = Place.of(resource)
        return Reconcile(
            kind=self._types.kind,
            endpoint=place.endpoint,
            deployment=place.deployment,
            generation=resource.generation,
            chain=resource.chain,
        )


def created(operation: Operation) -> Create:
    id = operation_document_id(operation.id)
    return Create(id, operation_body(operation), ttl=OPERATION_TTL)


def replaced(resource: TrackedResource, document: Document, due_at: float | None = None) -> Replace:
    """The resource in the place of what `document` holds of it."""
    body = to_body(document.body["kind"], resource)
    return Replace(document.id, body, document.etag, due_at=due_at)
