"""Events of other systems that come in by a mapping: saved first, answered then, and each the
start of one job however often it comes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from domain.errors import DocumentExists, Invalid, Unauthenticated
from domain.ground.driving.driver import GRACE
from domain.ground.keys import matches
from domain.ground.messages import EVENTS_QUEUE, InvokeByEvent
from domain.ground.operation import ErrorRecord
from domain.ground.stored_sums import StoredSums, Subject, Sums
from domain.inbound import received_event
from domain.inbound.event_mapping import EventMapping
from domain.inbound.event_mappings import EventMappings
from domain.inbound.event_template import filled
from domain.inbound.inbound_event import InboundEvent
from domain.inbound.received_event import (
    RETENTION,
    ReceivedEvent,
    ReceivedStatus,
    received_id,
    received_of,
)
from domain.jobs.records.job_request import JobProperties
from domain.ports import Clock, Create, Message, ResourceStore, WorkQueue

_IN_ONE_WRITE = 50
_COUNTS_TTL = 90 * 24 * 3600
_log = logging.getLogger("ml_endpoints.events")


@dataclass(frozen=True)
class Reception:
    """How many of a request's events were new, had come before, or are none of the mapping's."""

    accepted: int
    repeated: int
    unmatched: int


class EventReceiving:
    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        clock: Clock,
        mappings: EventMappings,
        sums: StoredSums,
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._mappings = mappings
        self._sums = sums

    async def mapping(self, name: str) -> EventMapping:
        """Raises NotFound."""
        return (await self._mappings.resources.get(name)).resource

    async def mapping_by_key(self, name: str, key: str) -> EventMapping:
        """Raises Unauthenticated, whether it is the name or the key that is wrong."""
        document = await self._mappings.resources.find(name)
        keys = self._mappings.resources.of(document).sealed_keys if document else None
        if document is None or not matches(key.encode(), keys.digests if keys else ()):
            raise Unauthenticated(
                "There is no event mapping of this name with this key. Send a key of the mapping "
                "as the query's `code` or the header `aeg-sas-key`, or a bearer token."
            )
        return self._mappings.resources.of(document)

    async def receive(self, mapping: EventMapping, events: Sequence[InboundEvent]) -> Reception:
        """Save what is to be done; it is done when this returns and the queue delivers."""
        wanted = [e for e in events if mapping.properties.filter.lets_through(e)]
        unmatched = len(events) - len(wanted)
        meant = {received_id(event): event for event in wanted}
        new = 0
        ids = list(meant)
        for start in range(0, len(ids), _IN_ONE_WRITE):
            some = [self._received(mapping, key, meant[key]) for key in ids[start:][:_IN_ONE_WRITE]]
            new += await self._save(mapping, some)
        reception = Reception(new, len(wanted) - new, unmatched)
        self._count(mapping, reception)
        return reception

    async def recent(
        self, name: str, top: int, continuation: str | None
    ) -> tuple[list[ReceivedEvent], str | None]:
        """What a mapping has taken lately, in no order. Raises NotFound."""
        found = await self.mapping(name)
        page = await self._store.query(
            received_event.KIND,
            partition=received_event.partition(found.uid),
            page_size=top,
            continuation=continuation,
        )
        return [received_of(d) for d in page.documents], page.continuation

    async def counts(self, mapping: EventMapping) -> Sums:
        """How many events have come, by what became of them; some seconds late."""
        where = received_event.partition(mapping.uid)
        return await self._sums.read(where, received_event.COUNTS_ID)

    async def _save(self, mapping: EventMapping, some: list[ReceivedEvent]) -> int:
        """How many of them had not come before."""
        where = received_event.partition(mapping.uid)
        creations = [self._creation(received) for received in some]
        try:
            await self._store.transact(where, creations)
            saved = some
        except DocumentExists:
            saved = []
            for received, creation in zip(some, creations, strict=True):
                try:
                    await self._store.transact(where, [creation])
                except DocumentExists:
                    continue
                saved.append(received)
        messages = [
            Message(InvokeByEvent(uid=mapping.uid, id=r.key).to_document())
            for r in saved
            if r.status is ReceivedStatus.ACCEPTED
        ]
        await self._queue.send(EVENTS_QUEUE, *messages)
        return len(saved)

    def _creation(self, received: ReceivedEvent) -> Create:
        if received.status is ReceivedStatus.ACCEPTED:
            due_at = self._clock.now().timestamp() + GRACE
            return Create(received.key, received.to_body(), due_at=due_at)
        return Create(received.key, received.to_body(), ttl=int(RETENTION.total_seconds()))

    def _received(self, mapping: EventMapping, key: str, event: InboundEvent) -> ReceivedEvent:
        asked = mapping.properties
        received = ReceivedEvent(
            key=key,
            event_id=event.id,
            source=event.source,
            type=event.type,
            subject=event.subject,
            since=self._clock.now().timestamp(),
            endpoint=asked.endpoint_name,
            deployment=asked.deployment_name,
        )
        try:
            job = JobProperties.from_document(filled(asked.job.to_document(), event))
        except (Invalid, ValidationError) as error:
            told = error.message if isinstance(error, Invalid) else _sentence(error)
            _log.warning(
                "An event for mapping '%s' makes no job: %s",
                mapping.name,
                told,
                extra={"action": "event_refused", "mapping": mapping.name},
            )
            record = ErrorRecord(code="EventNotUsable", message=told)
            return received.but(status=ReceivedStatus.FAILED, error=record)
        return received.but(asked=job)

    def _count(self, mapping: EventMapping, reception: Reception) -> None:
        subject = Subject(
            received_event.partition(mapping.uid),
            received_event.COUNTS_ID,
            received_event.COUNTS_KIND,
            _COUNTS_TTL,
            {},
        )
        counts = {
            "accepted": reception.accepted,
            "repeated": reception.repeated,
            "unmatched": reception.unmatched,
        }
        self._sums.add(subject, counts)
        _log.info(
            "Mapping '%s' took %d events, %d had come before, %d are none of its",
            mapping.name,
            reception.accepted,
            reception.repeated,
            reception.unmatched,
            extra={"action": "events_received", "mapping": mapping.name, **counts},
        )


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}."
