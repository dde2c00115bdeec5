"""Facts leave with what they tell of: an event's document is written in the same transaction,
then a message names it. A crash between the two loses nothing: the document falls due, and
the sweep sends it.

Nothing is written for a fact that no subscription asks for.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

from domain.errors import DomainError
from domain.ground.driving.driver import GRACE
from domain.ground.facts import Event, Fact
from domain.ground.logs import story
from domain.ground.messages import EVENTS_QUEUE, DispatchEvent
from domain.ports import Clock, Create, Document, Message, ResourceStore, WorkQueue, Write

OUTBOX_KIND = "outboxEvent"

_log = logging.getLogger("ml_endpoints.events")


Saved = Callable[[Sequence[Fact]], None]
"""Told of facts, once they hold."""

Interest = Callable[[Sequence[Fact]], Awaitable[list[Fact]]]
"""The facts, of those given, that somebody asks for."""


class Outbox:
    """What saves facts: those that `interest` lets through. `saved` hears of all of them."""

    def __init__(
        self, store: ResourceStore, queue: WorkQueue, clock: Clock, interest: Interest, saved: Saved
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._interest = interest
        self._saved = saved

    async def transact(
        self, partition: str, writes: Sequence[Write], facts: Sequence[Fact] = ()
    ) -> Sequence[Document]:
        """The store's `transact` of `writes`, together with the events that tell `facts`; then
        the log tells them.
        Answers and raises as the store does for `writes` alone."""
        wanted = await self._interest(facts)
        if not wanted:
            written = await self._store.transact(partition, writes)
            self._tell(facts)
            return written
        now = self._clock.now()
        due_at = now.timestamp() + GRACE
        creations = [
            Create(f"event:{event.id}", outbox_body(event), due_at=due_at)
            for event in (Event.of(fact, now) for fact in wanted)
        ]
        written = await self._store.transact(partition, [*writes, *creations])
        self._tell(facts)
        messages = [
            Message(DispatchEvent(partition=partition, id=create.id).to_document())
            for create in creations
        ]
        try:
            await self._queue.send(EVENTS_QUEUE, *messages)
        except DomainError as error:
            # What the fact is about goes on; the sweep sends what is saved.
            _log.warning("%d events leave later: %s", len(creations), error)
        return written[: len(written) - len(creations)]

    def _tell(self, facts: Sequence[Fact]) -> None:
        story.tell(facts)
        self._saved(facts)


def outbox_body(event: Event) -> dict[str, object]:
    return {"kind": OUTBOX_KIND, "event": event.to_document()}


def event_of(document: Document) -> Event:
    return Event.from_document(document.body["event"])
