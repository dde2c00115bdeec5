"""One message to the function that a queue triggers, by Service Bus's rules: return completes,
an exception gives the message back, and after the last delivery it is dead-lettered."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum

from domain.errors import DomainError
from infra.embedded.host.functions import HostedFunction, converted
from infra.embedded.host.invocation import begin
from infra.rules.queue_consumer import LockLost, QueueConsumer, Received

_log = logging.getLogger(__name__)

LOCK = timedelta(seconds=30)
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 60.0


@dataclass(frozen=True)
class Listening:
    """How a queue is listened to. A failed message comes again after `first_delay`, twice as
    much after each further failure."""

    max_concurrent_calls: int
    max_renewal: timedelta
    max_delivery: int
    lock: timedelta = LOCK
    first_delay: float = _FIRST_DELAY


class QueueDelivery:
    """One function on the queue that its binding names."""

    def __init__(
        self, function: HostedFunction, queue: QueueConsumer, listening: Listening
    ) -> None:
        self._function = function
        self._queue = queue
        self._listening = listening
        self.queue_name = str(function.trigger["queueName"])

    async def receive(self, at_most: int) -> Sequence[Received]:
        """Messages that may be delivered now, each locked."""
        return await self._queue.receive(self.queue_name, at_most, self._listening.lock)

    async def deliver(self, message: Received) -> Exception | None:
        """Call the function with it and settle it, in a task that is the invocation's own; what
        the function raised, if it did."""
        try:
            await self.call(message)
        except asyncio.CancelledError:
            # The host is stopping: the message is for the next one, at once.
            await self._settle(self._queue.abandon(message.lock_token), message)
            raise
        except Exception as error:  # A failed invocation is a redelivery, whatever it raised.
            await self._settle(self._fail(message, error), message)
            return error
        await self._settle(self._queue.complete(message.lock_token), message)
        return None

    async def call(self, message: Received) -> None:
        """Call the function with it, and leave it as it is."""
        begin(self._function.name, message.properties.get("traceparent"))
        await self._function.call(_argument(message))

    async def _fail(self, message: Received, error: Exception) -> None:
        count = message.delivery_count
        extra = {"message_id": message.id, "delivery_count": count}
        if count >= self._listening.max_delivery:
            _log.error(
                "%s failed for the last time", self._function.name, exc_info=error, extra=extra
            )
            reason = f"{type(error).__name__}: {error}"
            await self._queue.dead_letter(
                message.lock_token, "MaxDeliveryCountExceeded", reason[:4000]
            )
            return
        delay = min(self._listening.first_delay * 2 ** min(count - 1, 16), _LONGEST_DELAY)
        _log.warning(
            "%s failed, again in %.1f s", self._function.name, delay, exc_info=error, extra=extra
        )
        await self._queue.abandon(message.lock_token, timedelta(seconds=delay))

    async def _settle(self, settling: Any, message: Received) -> None:
        try:
            await settling
        except LockLost:
            _log.warning("the lock was lost; the message comes again", extra={"id": message.id})
        except DomainError as error:
            # Unsettled, it comes again when its lock ends.
            _log.warning("a message was not settled: %s", error, extra={"id": message.id})


def _argument(message: Received) -> func.ServiceBusMessage:
    properties = json.dumps(dict(message.properties))
    metadata = {
        "MessageId": Datum(message.id, "string"),
        "DeliveryCount": Datum(message.delivery_count, "int"),
        "SequenceNumber": Datum(message.sequence_number, "int"),
        "EnqueuedTimeUtc": Datum(message.enqueued_at.isoformat(), "string"),
        "LockToken": Datum(message.lock_token, "string"),
        "LockedUntil": Datum(message.locked_until.isoformat(timespec="seconds"), "string"),
        "ContentType": Datum("application/json", "string"),
        "CorrelationId": Datum(message.properties.get("traceparent", ""), "string"),
        "ApplicationProperties": Datum(properties, "json"),
        "UserProperties": Datum(properties, "json"),
    }
    decoded: func.ServiceBusMessage = converted(
        "serviceBusTrigger", Datum(message.body, "bytes"), metadata
    )
    return decoded
