"""Drives a queue-triggered function with Service Bus's rules: peek-lock, renewal, return
completes, an exception gives the message back, and after the last delivery it is
dead-lettered."""

import asyncio
import contextlib
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
_IDLE = 30.0
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 60.0
_FAULT_PAUSE = 1.0


@dataclass(frozen=True)
class Listening:
    """How a queue is listened to. A failed message comes again after `first_delay`, twice as
    much after each further failure."""

    max_concurrent_calls: int = 16
    max_renewal: timedelta = timedelta(minutes=5)
    max_delivery: int = 5
    lock: timedelta = LOCK
    first_delay: float = _FIRST_DELAY


class QueueListener:
    """One function on one queue. Up to `max_concurrent_calls` messages are in hand at once,
    each locked until its invocation ends."""

    def __init__(
        self, function: HostedFunction, queue: QueueConsumer, listening: Listening
    ) -> None:
        self._function = function
        self._queue_name = str(function.trigger["queueName"])
        self._queue = queue
        self._listening = listening
        self._in_hand: dict[asyncio.Task[None], tuple[Received, float]] = {}
        self._freed = asyncio.Event()
        self._receiving: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._receiving = asyncio.create_task(self._receive(), name=f"receive {self._queue_name}")
        self._renewing = asyncio.create_task(self._renew(), name=f"renew {self._queue_name}")

    async def stop(self, grace: float) -> None:
        """Receive no more; give what is in hand `grace` seconds to end, then give it back."""
        await _ended(self._receiving)
        if self._in_hand:
            await asyncio.wait(list(self._in_hand), timeout=grace)
        for task in list(self._in_hand):
            task.cancel()
        if self._in_hand:
            await asyncio.wait(list(self._in_hand), timeout=5)
        await _ended(self._renewing)

    async def _receive(self) -> None:
        limit = self._listening.max_concurrent_calls
        while True:
            self._freed.clear()
            free = limit - len(self._in_hand)
            if free <= 0:
                await self._freed.wait()
                continue
            try:
                messages = await self._queue.receive(self._queue_name, free, self._listening.lock)
                self._take(messages)
                if len(messages) < free:
                    await self._queue.wait(self._queue_name, _IDLE)
            except Exception as error:  # Whatever goes wrong once must not end the listening.
                _log.warning("queue %s cannot be read: %s", self._queue_name, error)
                await asyncio.sleep(_FAULT_PAUSE)

    def _take(self, messages: Sequence[Received]) -> None:
        now = asyncio.get_running_loop().time()
        for message in messages:
            task = asyncio.create_task(self._handle(message))
            self._in_hand[task] = (message, now)
            task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._in_hand.pop(task, None)
        self._freed.set()

    async def _handle(self, message: Received) -> None:
        begin(self._function.name, message.properties.get("traceparent"))
        try:
            await self._function.call(_argument(message))
        except asyncio.CancelledError:
            # The host is stopping: the message is for the next one, at once.
            await self._settle(self._queue.abandon(message.lock_token), message)
            raise
        except Exception as error:  # A failed invocation is a redelivery, whatever it raised.
            await self._settle(self._fail(message, error), message)
        else:
            await self._settle(self._queue.complete(message.lock_token), message)

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

    async def _renew(self) -> None:
        """Renew locks twice within their time, for as long as host.json allows."""
        most = self._listening.max_renewal.total_seconds()
        while True:
            await asyncio.sleep(self._listening.lock.total_seconds() / 3)
            now = asyncio.get_running_loop().time()
            for message, since in list(self._in_hand.values()):
                if now - since < most:
                    with contextlib.suppress(LockLost, DomainError):
                        await self._queue.renew(message.lock_token)


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


async def _ended(task: "asyncio.Task[None] | None") -> None:
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
