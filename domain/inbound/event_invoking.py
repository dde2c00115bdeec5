"""From an event that a mapping has taken to its job."""

import logging
from datetime import timedelta

from domain.errors import (
    Conflict,
    DocumentNotFound,
    DomainError,
    NotFound,
    StaleETag,
    Throttled,
    Unavailable,
)
from domain.ground.access import trusted
from domain.ground.driving.driver import GRACE
from domain.ground.messages import EVENTS_QUEUE, InvokeByEvent
from domain.ground.operation import ErrorRecord
from domain.inbound import received_event
from domain.inbound.received_event import RETENTION, ReceivedEvent, ReceivedStatus, received_of
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.ports import Clock, Document, Message, Replace, ResourceStore, WorkQueue

WAITS_FOR_ENDPOINT = timedelta(days=1)
"""How long an event waits for an endpoint that cannot take its job."""

_LONGEST_PAUSE = 300.0
_NEVER_BETTER = frozenset({"JobExists", "IdempotencyKeyReused"})
_log = logging.getLogger("ml_endpoints.events")


class EventInvoking:
    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        clock: Clock,
        invocation: JobInvocation,
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._invocation = invocation

    async def invoke(self, message: InvokeByEvent) -> None:
        """Start the job, once: the event is its idempotency key. A stale message does
        nothing."""
        where = received_event.partition(message.uid)
        try:
            document = await self._store.get(where, message.id)
        except DocumentNotFound:
            return
        received = received_of(document)
        if received.attempts == message.attempt:
            await self._try(message, received, document)

    async def resume(self, document: Document) -> None:
        """The message was lost. Raises StaleETag."""
        received = received_of(document)
        uid = document.partition.partition("/")[2]
        due_at = self._clock.now().timestamp() + GRACE
        taken = received.but(attempts=received.attempts + 1)
        write = Replace(document.id, taken.to_body(), document.etag, due_at=due_at)
        await self._store.transact(document.partition, [write])
        await self._send(InvokeByEvent(uid=uid, id=document.id, attempt=taken.attempts))

    async def _try(
        self, message: InvokeByEvent, received: ReceivedEvent, document: Document
    ) -> None:
        if received.status is not ReceivedStatus.ACCEPTED or received.asked is None:
            return
        try:
            invoked = await self._invocation.invoke(
                received.endpoint,
                received.asked,
                caller=trusted("event-mapping"),
                deployment=received.deployment,
                key=f"event/{message.uid}/{received.key}",
            )
        except DomainError as error:
            if self._may_pass(received, error):
                await self._again(message, received, document, error)
                return
            _log.warning(
                "An event for endpoint '%s' started no job: %s",
                received.endpoint,
                error.message,
                extra={"action": "event_failed", "endpoint": received.endpoint},
            )
            record = ErrorRecord(code=error.code, message=error.message, target=error.target)
            await self._end(document, received.ended(ReceivedStatus.FAILED, None, record))
            return
        _log.info(
            "An event for endpoint '%s' started job %s",
            received.endpoint,
            invoked.job.name,
            extra={"action": "event_started_job", "job": invoked.job.name},
        )
        await self._end(document, received.ended(ReceivedStatus.STARTED, invoked.job.name, None))

    def _may_pass(self, received: ReceivedEvent, error: DomainError) -> bool:
        if self._clock.now().timestamp() - received.since > WAITS_FOR_ENDPOINT.total_seconds():
            return False
        if error.code in _NEVER_BETTER:
            return False
        passing = (Unavailable, Throttled, Conflict, NotFound)
        return isinstance(error, passing) or error.code == "NoDefaultDeployment"

    async def _again(
        self,
        message: InvokeByEvent,
        received: ReceivedEvent,
        document: Document,
        error: DomainError,
    ) -> None:
        pause = min(_LONGEST_PAUSE, 2.0 ** min(received.attempts, 10))
        record = ErrorRecord(code=error.code, message=error.message, target=error.target)
        waiting = received.but(attempts=received.attempts + 1, error=record)
        due_at = self._clock.now().timestamp() + pause + GRACE
        try:
            await self._store.transact(
                document.partition,
                [Replace(document.id, waiting.to_body(), document.etag, due_at=due_at)],
            )
        except (StaleETag, DocumentNotFound):
            return  # Another delivery of the message, or the sweep, goes on with it.
        await self._send(message.but(attempt=waiting.attempts), pause)

    async def _end(self, document: Document, body: dict[str, object]) -> None:
        ttl = int(RETENTION.total_seconds())
        try:
            await self._store.transact(
                document.partition, [Replace(document.id, body, document.etag, ttl=ttl)]
            )
        except (StaleETag, DocumentNotFound):
            return  # Whoever wrote in between meets the same job by its key.

    async def _send(self, message: InvokeByEvent, pause: float = 0.0) -> None:
        delay = timedelta(seconds=pause)
        await self._queue.send(EVENTS_QUEUE, Message(message.to_document(), delay=delay))
