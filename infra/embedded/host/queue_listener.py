"""Listens to a queue for the function that it triggers: as many messages in hand at once as
host.json allows, their locks renewed."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from domain.errors import DomainError
from infra.embedded.host.functions import HostedFunction
from infra.embedded.host.queue_delivery import Listening, QueueDelivery
from infra.rules.queue_consumer import LockLost, QueueConsumer, Received

_log = logging.getLogger(__name__)

_IDLE = 30.0
_FAULT_PAUSE = 1.0


class QueueListener:
    """One function on one queue. Up to `max_concurrent_calls` messages are in hand at once,
    each locked until its invocation ends."""

    def __init__(
        self, function: HostedFunction, queue: QueueConsumer, listening: Listening
    ) -> None:
        self._delivery = QueueDelivery(function, queue, listening)
        self._queue_name = self._delivery.queue_name
        self._queue = queue
        self._listening = listening
        self._in_hand: dict[asyncio.Task[Exception | None], tuple[Received, float]] = {}
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
                messages = await self._delivery.receive(free)
                self._take(messages)
                if len(messages) < free:
                    await self._queue.wait(self._queue_name, _IDLE)
            except Exception as error:  # Whatever goes wrong once must not end the listening.
                _log.warning("queue %s cannot be read: %s", self._queue_name, error)
                await asyncio.sleep(_FAULT_PAUSE)

    def _take(self, messages: Sequence[Received]) -> None:
        now = asyncio.get_running_loop().time()
        for message in messages:
            task = asyncio.create_task(self._delivery.deliver(message))
            self._in_hand[task] = (message, now)
            task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[Exception | None]") -> None:
        self._in_hand.pop(task, None)
        self._freed.set()

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


async def _ended(task: "asyncio.Task[None] | None") -> None:
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
