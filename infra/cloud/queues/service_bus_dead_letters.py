"""The DeadLetterQueues port on the dead-letter subqueues of Service Bus."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver, ServiceBusSender

from domain.ground.messages import GIVEN_BACK
from domain.ports import DeadLetterQueues, DeadMessage
from infra.cloud.queues.service_bus import Link, Patience, ServiceBus, persist
from infra.cloud.queues.service_bus_inbound import as_received
from infra.rules.message_bodies import check_queue

_PEEKED = 250
_LOCKED = 100
_MOST_LOCKED = 2000
"""Messages that are looked through for those that are meant: Service Bus gives them out in its own
order only, and each that is passed over stays locked meanwhile."""
_EMPTY_AFTER = 3.0
"""Seconds in which nothing comes from a queue that has nothing more."""
_PATIENCE = Patience(attempt=30.0, budget=60.0)


class ServiceBusDeadLetters(DeadLetterQueues):
    """By the identity of the app, which may read what its queues have put aside. `close` before
    the bus."""

    def __init__(self, bus: ServiceBus, *, patience: Patience = _PATIENCE) -> None:
        self._bus = bus
        self._patience = patience
        self._peeking: dict[str, Link[ServiceBusReceiver]] = {}
        self._sending: dict[str, Link[ServiceBusSender]] = {}
        self._turn = asyncio.Lock()
        """Two who looked for the same message would wait for each other's lock."""

    async def dead_messages(self, queue: str, after: int, limit: int) -> Sequence[DeadMessage]:
        check_queue(queue)
        link = self._peeking.get(queue)
        if link is None:
            link = self._peeking[queue] = Link(lambda: self._bus.dead_letters(queue))
        wanted = min(limit, _PEEKED)

        async def peek() -> list[ServiceBusReceivedMessage]:
            receiver = await link.opened()
            found: list[ServiceBusReceivedMessage] = []
            start = after + 1
            # One answer may hold fewer than there are.
            while len(found) < wanted:
                some = await receiver.peek_messages(
                    max_message_count=wanted - len(found), sequence_number=start
                )
                if not some:
                    break
                found += some
                start = (some[-1].sequence_number or start) + 1
            return found

        async with link.alone(self._patience.budget):
            return [
                _dead(queue, each) for each in await persist(peek, self._patience, link.discard)
            ]

    async def replay(self, queue: str, numbers: Collection[int]) -> int:
        check_queue(queue)
        link = self._sending.get(queue)
        if link is None:
            link = self._sending[queue] = Link(lambda: self._bus.sender(queue))

        async def send(message: ServiceBusReceivedMessage) -> None:
            again = _anew(queue, message)

            async def call() -> None:
                await (await link.opened()).send_messages(again)

            async with link.alone(self._patience.budget):
                await persist(call, self._patience, link.discard)

        async with self._turn:
            return await self._taken(queue, numbers, send)

    async def discard(self, queue: str, numbers: Collection[int]) -> int:
        check_queue(queue)

        async def nothing(message: ServiceBusReceivedMessage) -> None:
            return

        async with self._turn:
            return await self._taken(queue, numbers, nothing)

    async def close(self) -> None:
        closing = [each.close() for each in self._peeking.values()]
        closing += [each.close() for each in self._sending.values()]
        self._peeking.clear()
        self._sending.clear()
        await asyncio.gather(*closing)

    async def _taken(
        self,
        queue: str,
        numbers: Collection[int],
        each: Callable[[ServiceBusReceivedMessage], Awaitable[None]],
    ) -> int:
        """Lock messages until all of `numbers` are found, have `each` done with one and then have
        it gone; the others are given back."""
        left = await self._there(queue, numbers)
        wanted = len(left)
        link: Link[ServiceBusReceiver] = Link(lambda: self._bus.dead_letters(queue))
        held: list[ServiceBusReceivedMessage] = []
        looked = 0

        async def call(act: Callable[[ServiceBusReceiver], Awaitable[Any]]) -> Any:
            async def acted() -> Any:
                return await act(await link.opened())

            return await persist(acted, self._patience, link.discard)

        async def receive(receiver: ServiceBusReceiver) -> list[ServiceBusReceivedMessage]:
            return await receiver.receive_messages(
                max_message_count=_LOCKED, max_wait_time=_EMPTY_AFTER
            )

        try:
            while left and looked < _MOST_LOCKED:
                some: list[ServiceBusReceivedMessage] = await call(receive)
                if not some:
                    break
                looked += len(some)
                held += some
                for message in some:
                    if message.sequence_number in left:
                        await each(message)
                        await call(lambda r, m=message: r.complete_message(m))  # type: ignore[misc]
                        held.remove(message)
                        left.discard(message.sequence_number)
            return wanted - len(left)
        finally:
            for message in held:
                await call(lambda r, m=message: r.abandon_message(m))  # type: ignore[misc]
            await link.close()

    async def _there(self, queue: str, numbers: Collection[int]) -> set[int]:
        """Those of `numbers` that are there: to find out by locking takes long."""
        found: set[int] = set()
        left = sorted(numbers)
        while left:
            some = {each.number for each in await self.dead_messages(queue, left[0] - 1, _PEEKED)}
            found |= some.intersection(left)
            left = [number for number in left if number > max(some, default=left[-1])]
        return found


def _dead(queue: str, message: ServiceBusReceivedMessage) -> DeadMessage:
    received = as_received(queue, message)
    beside = {
        name: value
        for name, value in received.properties.items()
        if name not in ("DeadLetterReason", "DeadLetterErrorDescription")
    }
    return DeadMessage(
        number=received.sequence_number,
        id=received.id,
        queue=queue,
        body=received.body,
        properties=beside,
        enqueued_at=received.enqueued_at,
        delivery_count=message.delivery_count or 0,
        reason=message.dead_letter_reason or "",
        description=message.dead_letter_error_description or "",
        dead_lettered_at=None,
    )


def _anew(queue: str, message: ServiceBusReceivedMessage) -> ServiceBusMessage:
    dead = _dead(queue, message)
    beside: dict[str | bytes, Any] = {
        name: value for name, value in dead.properties.items() if name != GIVEN_BACK
    }
    # An id of its own: a queue that detects duplicates would drop that of before.
    return ServiceBusMessage(
        dead.body,
        content_type=message.content_type or "application/json",
        message_id=uuid.uuid4().hex,
        application_properties=beside,
    )
