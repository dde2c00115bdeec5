"""The receiving side of Service Bus queues, for the embedded host. In Azure the Functions
host does this part."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver

from domain.errors import DomainError
from infra.cloud.queues.service_bus import Patience, ServiceBus
from infra.cloud.queues.service_bus_inbound import Inbound, as_received, locked_until
from infra.rules.message_bodies import check_queue
from infra.rules.queue_consumer import LockLost, QueueConsumer, Received

_SLICE = 1.0
_MARGIN = timedelta(seconds=3)
_HELD_BACK = 1000
_PATIENCE = Patience(attempt=10.0, budget=15.0)

T = TypeVar("T")
_Locked = tuple[Inbound, ServiceBusReceivedMessage]
_Settling = Callable[[ServiceBusReceiver, ServiceBusReceivedMessage], Awaitable[T]]


class ServiceBusConsumer(QueueConsumer):
    """Locks last as long as the queue's own setting says. `close` before the bus: what was
    held back, or had come and was not yet handed out, is given back then.

    Service Bus gives an abandoned message out again at once. To delay it, its lock is kept
    until then, for no longer than it lasts: should this process die, it comes all the same.
    """

    def __init__(
        self,
        bus: ServiceBus,
        *,
        patience: Patience = _PATIENCE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bus = bus
        self._now = now
        self._patience = patience
        self._queues: dict[str, Inbound] = {}
        self._locked: dict[str, _Locked] = {}
        self._held_back: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    async def receive(
        self, queue: str, max_count: int, lock_duration: timedelta
    ) -> Sequence[Received]:
        """What `wait` has found, which is one message at a time."""
        inbound, now = self._inbound(queue), self._now()
        for lock, (_, message) in list(self._locked.items()):
            # Nobody settled it in time: it comes again.
            if locked_until(message) < now:
                del self._locked[lock]
        taken: list[Received] = []
        while inbound.arrived and len(taken) < max_count:
            message = inbound.arrived.popleft()
            if locked_until(message) > now:
                received = as_received(queue, message)
                self._locked[received.lock_token] = (inbound, message)
                taken.append(received)
        return taken

    async def wait(self, queue: str, timeout: float) -> bool:
        """What it finds is locked, for `receive` to take."""
        inbound, loop = self._inbound(queue), asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not inbound.arrived and not self._closing.is_set():
            left = deadline - loop.time()
            if left <= 0:
                break
            await inbound.poll(min(left, _SLICE))
        return bool(inbound.arrived)

    async def complete(self, lock: str) -> None:
        await self._settle(lock, lambda r, m: r.complete_message(m))

    async def abandon(self, lock: str, delay: timedelta = timedelta(0)) -> None:
        _, message = self._held(lock)
        lasts = locked_until(message) - self._now() - _MARGIN
        seconds = min(delay, lasts).total_seconds()
        if seconds <= 0 or self._closing.is_set() or len(self._held_back) >= _HELD_BACK:
            await self._give_back(lock)
            return
        task = asyncio.create_task(self._give_back_later(lock, seconds))
        self._held_back.add(task)
        task.add_done_callback(self._held_back.discard)

    async def renew(self, lock: str) -> datetime:
        inbound, message = self._held(lock)
        return await inbound.settle(lambda r: r.renew_message_lock(message), self._patience)

    async def dead_letter(self, lock: str, reason: str, description: str = "") -> None:
        await self._settle(
            lock,
            lambda r, m: r.dead_letter_message(m, reason=reason, error_description=description),
        )

    async def close(self) -> None:
        self._closing.set()
        if self._held_back:
            await asyncio.wait(self._held_back, timeout=self._patience.budget)
        for queue in list(self._queues):
            for received in await self.receive(queue, len(self._inbound(queue).arrived), _MARGIN):
                with contextlib.suppress(LockLost, DomainError):
                    await self._give_back(received.lock_token)
        await asyncio.gather(*(inbound.close() for inbound in self._queues.values()))
        self._queues.clear()
        self._locked.clear()

    def _inbound(self, queue: str) -> Inbound:
        inbound = self._queues.get(queue)
        if inbound is None:
            check_queue(queue)
            inbound = self._queues[queue] = Inbound(lambda: self._bus.receiver(queue))
        return inbound

    def _held(self, lock: str) -> _Locked:
        locked = self._locked.get(lock)
        if locked is None:
            raise LockLost
        return locked

    async def _settle(self, lock: str, settling: "_Settling[None]") -> None:
        inbound, message = self._held(lock)
        # A second settlement must not meet the SDK while the first is on its way.
        del self._locked[lock]
        try:
            await inbound.settle(lambda r: settling(r, message), self._patience)
        except DomainError:
            self._locked[lock] = (inbound, message)
            raise

    async def _give_back(self, lock: str) -> None:
        await self._settle(lock, lambda r, m: r.abandon_message(m))

    async def _give_back_later(self, lock: str, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        # If it cannot be given back, it comes again when its lock ends.
        with contextlib.suppress(LockLost, DomainError):
            await self._give_back(lock)
