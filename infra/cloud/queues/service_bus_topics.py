"""The EventTopics port on Azure Service Bus: topics and queues of the app's own namespace."""

import asyncio
import re
from collections import OrderedDict
from typing import Any

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusSender

from domain.ground import messages
from domain.ports import EntityKind, EventMessage, EventTopics
from infra.cloud.queues.service_bus import Link, Patience, ServiceBus, persist

OWN_QUEUES = frozenset(messages.QUEUES)
"""The app's own: an event in one of them would be taken for work."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,258}[A-Za-z0-9_])?")
_MOST_LINKS = 64
_PATIENCE = Patience(budget=10.0)


class ServiceBusTopics(EventTopics):
    """Sends to entities that the namespace already has, which the app's identity may send to.
    An event keeps its id, so that an entity that detects duplicates holds it once. `close`
    before the bus."""

    def __init__(self, bus: ServiceBus, *, patience: Patience = _PATIENCE) -> None:
        self._bus = bus
        self._patience = patience
        self._links: OrderedDict[tuple[EntityKind, str], Link[ServiceBusSender]] = OrderedDict()

    def fault(self, kind: EntityKind, entity: str) -> str | None:
        if not _NAME.fullmatch(entity):
            return f"'{entity[:40]}' is not the name of a {kind}."
        if entity.casefold() in OWN_QUEUES:
            return f"'{entity}' is a queue of the app's own; events go to other ones."
        return None

    async def send(self, kind: EntityKind, entity: str, message: EventMessage) -> None:
        link = self._link(kind, entity)
        properties: dict[str | bytes, Any] = dict(message.properties.items())
        outgoing = ServiceBusMessage(
            message.body,
            message_id=message.id,
            content_type=message.content_type,
            subject=message.subject,
            application_properties=properties,
        )

        async def send() -> None:
            sender = await link.opened()
            await sender.send_messages(outgoing)

        async with link.alone(self._patience.budget):
            await persist(send, self._patience, link.discard)

    async def close(self) -> None:
        links = list(self._links.values())
        self._links.clear()
        await asyncio.gather(*(link.close() for link in links))

    def _link(self, kind: EntityKind, entity: str) -> Link[ServiceBusSender]:
        key = kind, entity.casefold()
        link = self._links.get(key)
        if link is None:
            make = self._bus.topic_sender if kind == "topic" else self._bus.sender
            link = self._links[key] = Link(lambda: make(entity))
            if len(self._links) > _MOST_LINKS:
                # The one that was used longest ago; another call opens it again.
                _, old = self._links.popitem(last=False)
                old.discard()
        self._links.move_to_end(key)
        return link
