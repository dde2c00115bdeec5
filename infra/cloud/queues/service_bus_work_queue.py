"""The WorkQueue port on Azure Service Bus queues."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusSender
from azure.servicebus.exceptions import MessageSizeExceededError
from opentelemetry import propagate

from domain.ports import Message, WorkQueue
from infra.cloud.queues.service_bus import Link, Patience, ServiceBus, persist
from infra.rules.message_bodies import check_queue, encoded, properties

_BATCH = 1000
_PATIENCE = Patience()


def _now() -> datetime:
    return datetime.now(UTC)


class ServiceBusWorkQueue(WorkQueue):
    """Queues that the namespace already has. Messages go in as few transfers as the batch
    limit allows; a delay is a scheduled time of the service's. A transfer whose answer was
    lost is sent again with the same message ids, so it may come twice unless the queue
    detects duplicates. `close` before the bus."""

    def __init__(
        self,
        bus: ServiceBus,
        *,
        patience: Patience = _PATIENCE,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._bus = bus
        self._patience = patience
        self._now = now
        self._links: dict[str, Link[ServiceBusSender]] = {}

    async def send(self, queue: str, *messages: Message) -> None:
        check_queue(queue)
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        outgoing = [self._outgoing(queue, message, carrier) for message in messages]
        if not outgoing:
            return
        link = self._links.get(queue)
        if link is None:
            link = self._links[queue] = Link(lambda: self._bus.sender(queue))
        async with link.alone(self._patience.budget):
            sent = 0
            while sent < len(outgoing):
                some = outgoing[sent : sent + _BATCH]
                sent += await self._transfer(link, some)

    async def close(self) -> None:
        links = list(self._links.values())
        self._links.clear()
        await asyncio.gather(*(link.close() for link in links))

    def _outgoing(
        self, queue: str, message: Message, carrier: Mapping[str, str]
    ) -> ServiceBusMessage:
        later = message.delay > timedelta(0)
        beside: dict[str | bytes, Any] = dict(properties(queue, message, carrier).items())
        return ServiceBusMessage(
            encoded(message),
            content_type="application/json",
            message_id=uuid.uuid4().hex,
            application_properties=beside,
            scheduled_enqueue_time_utc=self._now() + message.delay if later else None,
        )

    async def _transfer(
        self, link: Link[ServiceBusSender], messages: Sequence[ServiceBusMessage]
    ) -> int:
        """Send the first of the messages, as many as fit into one transfer; how many."""

        async def send() -> int:
            sender = await link.opened()
            batch = await sender.create_message_batch()
            for message in messages:
                try:
                    batch.add_message(message)
                except MessageSizeExceededError:
                    break
            if len(batch) > 1:
                await sender.send_messages(batch)
                return len(batch)
            # One that fits into no batch may still be within the limit by itself.
            await sender.send_messages(messages[0])
            return 1

        return await persist(send, self._patience, link.discard)
