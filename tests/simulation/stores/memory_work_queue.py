"""The WorkQueue port and its consumer's side on lists, for simulation."""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from opentelemetry import propagate

from domain.ground.messages import GIVEN_BACK
from domain.ports import DeadLetterQueues, DeadMessage, Message, WorkQueue
from infra.rules.message_bodies import check_queue, encoded, properties
from infra.rules.queue_consumer import LockLost, QueueConsumer, Received


@dataclass
class Held:
    """A message in a queue. `visible_at` is when it may be received, in Unix seconds; a lock, if
    there is one, ends then."""

    number: int
    queue: str
    body: bytes
    properties: Mapping[str, str]
    enqueued_at: float
    visible_at: float
    deliveries: int = 0
    lock: str | None = None
    lock_seconds: float = 0.0


@dataclass
class MemoryWorkQueue(WorkQueue, QueueConsumer, DeadLetterQueues):
    """`now` gives Unix seconds. `changed` is told of each message that may be received from
    another time on."""

    now: Callable[[], float]
    changed: Callable[[Held], None] | None = None
    messages: dict[int, Held] = field(default_factory=dict)
    dead: list[tuple[Held, str]] = field(default_factory=list)
    """What was put aside, and why."""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _locks: dict[str, int] = field(default_factory=dict)

    # -- the port -----------------------------------------------------------------------

    async def send(self, queue: str, *messages: Message) -> None:
        check_queue(queue)
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        bodies = [encoded(message) for message in messages]
        for message, body in zip(messages, bodies, strict=True):
            now = self.now()
            at = now + max(0.0, message.delay.total_seconds())
            beside = properties(queue, message, carrier)
            held = Held(next(self._numbers), queue, body, beside, now, at)
            self.messages[held.number] = held
            self._tell(held)

    # -- the consumer's side ------------------------------------------------------------

    async def receive(
        self, queue: str, max_count: int, lock_duration: timedelta
    ) -> Sequence[Received]:
        check_queue(queue)
        now = self.now()
        there = [h for h in self.messages.values() if h.queue == queue and h.visible_at <= now]
        there.sort(key=lambda held: (held.visible_at, held.number))
        return [self.take(held, lock_duration.total_seconds()) for held in there[:max_count]]

    def take(self, held: Held, seconds: float) -> Received:
        """Lock one message that may be received now."""
        held.deliveries += 1
        held.lock = f"{held.number}-{held.deliveries}"
        held.lock_seconds = seconds
        held.visible_at = self.now() + seconds
        self._locks[held.lock] = held.number
        self._tell(held)
        return Received(
            id=f"message-{held.number}",
            queue=held.queue,
            sequence_number=held.number,
            body=held.body,
            properties=held.properties,
            enqueued_at=datetime.fromtimestamp(held.enqueued_at, UTC),
            delivery_count=held.deliveries,
            lock_token=held.lock,
            locked_until=datetime.fromtimestamp(held.visible_at, UTC),
        )

    async def complete(self, lock: str) -> None:
        del self.messages[self._locked(lock).number]

    async def abandon(self, lock: str, delay: timedelta = timedelta(0)) -> None:
        self._visible(self._locked(lock), self.now() + max(0.0, delay.total_seconds()))

    async def renew(self, lock: str) -> datetime:
        held = self._locked(lock)
        held.visible_at = self.now() + held.lock_seconds
        self._tell(held)
        return datetime.fromtimestamp(held.visible_at, UTC)

    async def dead_letter(self, lock: str, reason: str, description: str = "") -> None:
        self.bury(self._locked(lock), f"{reason}: {description}")

    async def wait(self, queue: str, timeout: float) -> bool:
        """At once: whoever simulates is told by `changed` instead."""
        now = self.now()
        return any(h.queue == queue and h.visible_at <= now for h in self.messages.values())

    # -- what was put aside --------------------------------------------------------------

    async def dead_messages(self, queue: str, after: int, limit: int) -> Sequence[DeadMessage]:
        found = [
            DeadMessage(
                number=held.number,
                id=f"message-{held.number}",
                queue=queue,
                body=held.body,
                properties=held.properties,
                enqueued_at=datetime.fromtimestamp(held.enqueued_at, UTC),
                delivery_count=held.deliveries,
                reason=reason.partition(": ")[0],
                description=reason.partition(": ")[2],
                dead_lettered_at=None,
            )
            for held, reason in sorted(self.dead, key=lambda dead: dead[0].number)
            if held.queue == queue and held.number > after
        ]
        return found[:limit]

    async def replay(self, queue: str, numbers: Collection[int]) -> int:
        found = self._unburied(queue, numbers)
        for dead in found:
            beside = {k: v for k, v in dead.properties.items() if k != GIVEN_BACK}
            now = self.now()
            held = Held(next(self._numbers), queue, dead.body, beside, now, now)
            self.messages[held.number] = held
            self._tell(held)
        return len(found)

    async def discard(self, queue: str, numbers: Collection[int]) -> int:
        return len(self._unburied(queue, numbers))

    def _unburied(self, queue: str, numbers: Collection[int]) -> list[Held]:
        found = [h for h, _ in self.dead if h.queue == queue and h.number in numbers]
        self.dead = [(h, why) for h, why in self.dead if h not in found]
        return found

    # -- for whoever simulates ----------------------------------------------------------

    def unlock(self, lock: str, at: float) -> bool:
        """The lock ends at `at`. False: it has been given up by now."""
        number = self._locks.get(lock)
        held = self.messages.get(number) if number is not None else None
        if held is None or held.lock != lock:
            return False
        held.visible_at = at
        self._tell(held)
        return True

    def renewed(self, lock: str) -> bool:
        """The lock's time begins anew. False: it was lost, or given up."""
        try:
            held = self._locked(lock)
        except LockLost:
            return False
        held.visible_at = self.now() + held.lock_seconds
        self._tell(held)
        return True

    def bury(self, held: Held, reason: str) -> None:
        """Put a message aside that nobody holds."""
        del self.messages[held.number]
        self.dead.append((held, reason))

    def _locked(self, lock: str) -> Held:
        number = self._locks.get(lock)
        held = self.messages.get(number) if number is not None else None
        if held is None or held.lock != lock or held.visible_at <= self.now():
            raise LockLost
        return held

    def _visible(self, held: Held, at: float) -> None:
        held.lock = None
        held.visible_at = at
        self._tell(held)

    def _tell(self, held: Held) -> None:
        if self.changed is not None:
            self.changed(held)
