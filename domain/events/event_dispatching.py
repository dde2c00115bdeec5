"""From the outbox to every subscription that asks: an event becomes one delivery for each.

Each has a courier, which is woken when something waits for it, so that a subscription that is
slow or dead keeps up nobody else.
"""

import logging

from domain.errors import DocumentExists, DocumentNotFound, StaleETag
from domain.events import delivery
from domain.events.delivery import Courier, Delivery, Phase, courier_of
from domain.events.event_subscription import EventSubscription
from domain.events.subscribers import Subscribers
from domain.ground.driving.driver import RACES
from domain.ground.driving.fence import taken_over
from domain.ground.messages import EVENTS_QUEUE, DeliverEvents, DispatchEvent
from domain.ground.outbox import event_of
from domain.ports import (
    Clock,
    Create,
    Delete,
    Document,
    Message,
    Replace,
    ResourceStore,
    WorkQueue,
    Write,
)

LEASE = 60.0
"""Seconds that a round may take before the sweep takes its courier over: it waits on receivers."""

_log = logging.getLogger("ml_endpoints.events")


class Couriers:
    """Reading and waking couriers."""

    def __init__(self, store: ResourceStore, queue: WorkQueue, clock: Clock) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock

    async def find(self, uid: str) -> Document | None:
        try:
            return await self._store.get(delivery.partition(uid), delivery.COURIER_ID)
        except DocumentNotFound:
            return None

    async def wake(self, name: str, uid: str, *, at_once: bool = False) -> None:
        """Something is due for the subscription. One that is at work, or has to hold back,
        finds it by itself; `at_once` ends the holding back."""
        for _ in range(RACES):
            document = await self.find(uid)
            courier = courier_of(document) if document else Courier(subscription=name, uid=uid)
            if courier.phase is Phase.BUSY or (courier.phase is Phase.HELD and not at_once):
                return
            busy = taken_over(courier.but(phase=Phase.BUSY, failures=0))
            due_at = self._clock.now().timestamp() + LEASE
            write: Write = Create(delivery.COURIER_ID, busy.to_body(), due_at=due_at)
            if document is not None:
                write = Replace(document.id, busy.to_body(), document.etag, due_at=due_at)
            try:
                await self._store.transact(delivery.partition(uid), [write])
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue
            await self._queue.send(EVENTS_QUEUE, Message(message_for(busy).to_document()))
            return


class EventDispatching:
    def __init__(
        self, store: ResourceStore, clock: Clock, subscribers: Subscribers, couriers: Couriers
    ) -> None:
        self._store = store
        self._clock = clock
        self._subscribers = subscribers
        self._couriers = couriers

    async def dispatch(self, message: DispatchEvent) -> None:
        """Give the event to whom it is for. Doing so twice gives it once, unless it was
        delivered in between."""
        try:
            document = await self._store.get(message.partition, message.id)
        except DocumentNotFound:
            return
        await self.resume(document)

    async def resume(self, document: Document) -> None:
        """The sweep's way in: the message was lost."""
        event = event_of(document)
        for subscription in await self._subscribers.read():
            filter = subscription.properties.filter
            if subscription.takes_events and filter.lets_through(event.type, event.subject):
                await self._give(subscription, Delivery.first(event))
        try:
            await self._store.transact(document.partition, [Delete(document.id, document.etag)])
        except (DocumentNotFound, StaleETag):
            return

    async def _give(self, to: EventSubscription, waiting: Delivery) -> None:
        try:
            await self._store.transact(delivery.partition(to.uid), [waiting.creation()])
        except DocumentExists:
            _log.debug("Event %s waits for '%s' already", waiting.event.id, to.name)
        await self._couriers.wake(to.name, to.uid)


def message_for(courier: Courier) -> DeliverEvents:
    """That has the courier go on."""
    return DeliverEvents(
        subscription=courier.subscription,
        uid=courier.uid,
        chain=courier.chain,
        tick=courier.tick,
    )
