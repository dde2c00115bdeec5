"""Facts leave with what they tell of: an event's document is written in the same transaction,
then a message names it. A crash between the two loses nothing: the document falls due, and
the sweep sends it.

Nothing is written for a fact that no subscription asks for.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

from domain.errors import DomainError
from domain.events.event_subscription import (
    KIND,
    MAX_SUBSCRIPTIONS,
    PARTITION,
    EventSubscription,
    subscription_of,
)
from domain.ground.facts import (
    Event,
    Fact,
)
from domain.ground.messages import (
    EVENTS_QUEUE,
    DispatchEvent,
)
from domain.ports import (
    Clock,
    Create,
    Document,
    Message,
    ResourceStore,
    WorkQueue,
    Write,
)

OUTBOX_KIND = "outboxEvent"

FRESH = timedelta(seconds=1)
"""How long a process goes by the subscriptions that it has read. A new one becomes Active
only after twice as long, and from then on misses nothing."""

_GRACE = 15.0
_log = logging.getLogger("ml_endpoints.events")


class Subscribers:
    """Who may ask for events now, as read at most FRESH ago by this process."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: tuple[float, list[EventSubscription]] | None = None

    async def wanted(self, facts: Sequence[Fact]) -> list[Fact]:
        """The facts that some subscription asks for."""
        if not facts:
            return []
        now = self._clock.now().timestamp()
        if self._known is None or not 0 <= now - self._known[0] < FRESH.total_seconds():
            self._known = now, await self.read()
        asking = [s.properties.filter for s in self._known[1] if s.takes_events]
        return [f for f in facts if any(a.lets_through(f.type.value, f.subject) for a in asking)]

    async def read(self) -> list[EventSubscription]:
        """All subscriptions, as they are now."""
        page = await self._store.query(KIND, partition=PARTITION, page_size=MAX_SUBSCRIPTIONS * 2)
        return [subscription_of(document) for document in page.documents]

    def forget(self) -> None:
        """One was changed by this process."""
        self._known = None


class Outbox:
    """What saves facts. One `subscribers` for the process spares reads."""

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        clock: Clock,
        subscribers: Subscribers | None = None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self.subscribers = subscribers or Subscribers(store, clock)

    async def transact(
        self, partition: str, writes: Sequence[Write], facts: Sequence[Fact] = ()
    ) -> Sequence[Document | None]:
        """The store's `transact` of `writes`, together with the events that tell `facts`.
        Answers and raises as the store does for `writes` alone."""
        wanted = await self.subscribers.wanted(facts)
        if not wanted:
            return await self._store.transact(partition, writes)
        now = self._clock.now()
        due_at = now.timestamp() + _GRACE
        creations = [
            Create(f"event:{event.id}", outbox_body(event), due_at=due_at)
            for event in (Event.of(fact, now) for fact in wanted)
        ]
        written = await self._store.transact(partition, [*writes, *creations])
        messages = [
            Message(DispatchEvent(partition=partition, id=create.id).to_document())
            for create in creations
        ]
        try:
            await self._queue.send(EVENTS_QUEUE, *messages)
        except DomainError as error:
            # What the fact is about goes on; the sweep sends what is saved.
            _log.warning("%d events leave later: %s", len(creations), error)
        return written[: len(writes)]


def outbox_body(event: Event) -> dict[str, object]:
    return {"kind": OUTBOX_KIND, "event": event.to_document()}


def event_of(document: Document) -> Event:
    return Event.from_document(document.body["event"])
