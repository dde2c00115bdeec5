"""One queue's receiver, shared between who waits for messages and who settles them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver
from azure.servicebus.amqp import AmqpMessageBodyType

from infra.cloud.faults import fault
from infra.cloud.queues.service_bus import SUBJECT, Link, Patience, apart, persist
from infra.rules.queue_consumer import Received

_OPENING = 10.0

T = TypeVar("T")


class Inbound:
    """The SDK's receiver does one thing at a time. Waiting gives way to settling, so that a
    settlement takes no longer than its own round trip."""

    def __init__(self, make: Callable[[], ServiceBusReceiver]) -> None:
        self.arrived: deque[ServiceBusReceivedMessage] = deque()
        self._link: Link[ServiceBusReceiver] = Link(make)
        self._settling = 0
        self._polling: asyncio.Task[list[ServiceBusReceivedMessage]] | None = None

    async def poll(self, seconds: float) -> None:
        """Wait for a message to arrive, or for `seconds`, or until something is settled."""
        async with self._link.alone(_OPENING + seconds):
            if self._settling:
                return
            try:
                await self._receive(await self._opened(), seconds)
            except Exception as error:  # The SDK's private errors come out of it too.
                met = fault(error, SUBJECT)
                if not met.link_holds:
                    self._link.discard()
                raise met.error from error

    async def settle(
        self, settling: Callable[[ServiceBusReceiver], Awaitable[T]], patience: Patience
    ) -> T:
        """The result of a call on the receiver, which may be another than the one that the
        message came by: the SDK then settles by lock token."""

        async def call() -> T:
            return await settling(await self._link.opened())

        self._settling += 1
        try:
            if self._polling is not None:
                self._polling.cancel()
            async with self._link.alone(patience.budget):
                return await persist(call, patience, self._link.discard)
        finally:
            self._settling -= 1

    async def close(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
        await self._link.close()

    async def _opened(self) -> ServiceBusReceiver:
        try:
            async with asyncio.timeout(_OPENING):
                return await apart(self._link.opened())
        except asyncio.CancelledError:
            self._link.discard()
            raise

    async def _receive(self, receiver: ServiceBusReceiver, seconds: float) -> None:
        # One message: asked for more, the SDK waits a while for them when it has the first.
        # What comes in the moment of a cancellation, the SDK keeps for the next call; what
        # comes later, for the credit that is then still out, it gives back within seconds.
        self._polling = task = asyncio.create_task(
            receiver.receive_messages(max_message_count=1, max_wait_time=seconds)
        )
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task}, timeout=_OPENING)
            # Nor may a fault that came meanwhile stand in for the cancellation.
            if task.done() and not task.cancelled() and task.exception() is None:
                self.arrived.extend(task.result())
            raise
        finally:
            self._polling = None
        if not task.cancelled():
            self.arrived.extend(task.result())


def locked_until(message: ServiceBusReceivedMessage) -> datetime:
    return message.locked_until_utc or datetime.max.replace(tzinfo=UTC)


def as_received(queue: str, message: ServiceBusReceivedMessage) -> Received:
    return Received(
        id=message.message_id or "",
        queue=queue,
        sequence_number=message.sequence_number or 0,
        body=_body(message),
        properties=_text(message.application_properties or {}),
        enqueued_at=message.enqueued_time_utc or datetime.now(UTC),
        # On the wire it counts the deliveries before this one.
        delivery_count=(message.delivery_count or 0) + 1,
        lock_token=str(message.lock_token),
        locked_until=locked_until(message),
    )


def _body(message: ServiceBusReceivedMessage) -> bytes:
    if message.body_type == AmqpMessageBodyType.DATA:
        return b"".join(message.body)
    return str(message).encode()


def _text(properties: Mapping[str | bytes, Any]) -> dict[str, str]:
    def text(value: Any) -> str:
        return value.decode() if isinstance(value, bytes) else str(value)

    return {text(key): text(value) for key, value in properties.items()}
