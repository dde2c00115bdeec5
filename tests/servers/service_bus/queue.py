"""Service Bus's rules for one queue, in memory: peek-lock, expiry, delivery count, dead
letters, scheduling, deferral. Knows nothing of the wire."""

import heapq
import itertools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from tests.servers.service_bus.messages import ACTIVE, DEFERRED, SCHEDULED, Stored


class Outcome(Enum):
    COMPLETED = "completed"
    ABANDONED = "abandoned"
    DEFERRED = "defered"
    DEAD_LETTERED = "suspended"
    RELEASED = "released"


class LockLost(Exception):
    """No such lock is held."""


@dataclass(frozen=True)
class Counts:
    active: int
    scheduled: int
    locked: int
    deferred: int
    dead_lettered: int


@dataclass
class Lock:
    token: uuid.UUID
    message: Stored
    until: float


class Queue:
    """`now` gives Unix seconds; `changed` is called when something may be receivable, now or
    at an earlier time than before. A dead-letter queue has none of its own."""

    def __init__(
        self,
        name: str,
        *,
        now: Callable[[], float],
        changed: Callable[["Queue"], None],
        lock_duration: float = 30.0,
        max_delivery_count: int = 10,
        dead_lettering: bool = True,
    ) -> None:
        self.name = name
        self.lock_duration = lock_duration
        self.max_delivery_count = max_delivery_count
        self._now = now
        self._changed = changed
        self._numbers = itertools.count(1)
        self._active: list[tuple[int, Stored]] = []
        self._scheduled: dict[int, Stored] = {}
        self._deferred: dict[int, Stored] = {}
        self._locks: dict[uuid.UUID, Lock] = {}
        self.dead_letters: Queue | None = None
        if dead_lettering:
            self.dead_letters = Queue(
                f"{name}/$deadletterqueue",
                now=now,
                changed=changed,
                lock_duration=lock_duration,
                dead_lettering=False,
            )

    def put(self, message: Stored) -> int:
        """Accept a message, which may be scheduled for later; its sequence number."""
        message.sequence_number = next(self._numbers)
        message.enqueued_at = self._now()
        if message.scheduled_at is not None and message.scheduled_at > self._now():
            message.state = SCHEDULED
            self._scheduled[message.sequence_number] = message
        else:
            message.state = ACTIVE
            heapq.heappush(self._active, (message.sequence_number, message))
        self._changed(self)
        return message.sequence_number

    def cancel(self, sequence_number: int) -> bool:
        return self._scheduled.pop(sequence_number, None) is not None

    def take(self) -> Lock | None:
        """Lock the next message."""
        self.tidy()
        if not self._active:
            return None
        _, message = heapq.heappop(self._active)
        return self._locked(message)

    def take_deferred(self, sequence_number: int) -> Lock | None:
        message = self._deferred.pop(sequence_number, None)
        return None if message is None else self._locked(message)

    def remove(self) -> Stored | None:
        """Take the next message for good (receive-and-delete)."""
        lock = self.take()
        return None if lock is None else self._locks.pop(lock.token).message

    def renew(self, token: uuid.UUID) -> float:
        lock = self._held(token)
        lock.until = self._now() + self.lock_duration
        return lock.until

    def settle(
        self, token: uuid.UUID, outcome: Outcome, reason: str = "", description: str = ""
    ) -> None:
        message = self._held(token).message
        del self._locks[token]
        match outcome:
            case Outcome.COMPLETED:
                pass
            case Outcome.ABANDONED:
                self._failed(message)
            case Outcome.RELEASED:
                self._give_back(message)
            case Outcome.DEFERRED:
                message.state = DEFERRED
                self._deferred[message.sequence_number] = message
            case Outcome.DEAD_LETTERED:
                self._bury(message, reason, description)

    def peek(self, start: int, count: int) -> Sequence[Stored]:
        self.tidy()
        everything = [message for _, message in self._active]
        everything += [lock.message for lock in self._locks.values()]
        everything += [*self._scheduled.values(), *self._deferred.values()]
        everything.sort(key=lambda message: message.sequence_number)
        return [m for m in everything if m.sequence_number >= start][:count]

    def expire_locks(self) -> int:
        """Every lock ends now."""
        locks = list(self._locks.values())
        for lock in locks:
            lock.until = 0.0
        self.tidy()
        return len(locks)

    def tidy(self) -> None:
        """What is due becomes active; what was locked for too long comes again."""
        now = self._now()
        for number in [n for n, m in self._scheduled.items() if (m.scheduled_at or 0) <= now]:
            message = self._scheduled.pop(number)
            message.scheduled_at = None
            self.put(message)
        for lock in [lock for lock in self._locks.values() if lock.until <= now]:
            del self._locks[lock.token]
            self._failed(lock.message)

    def next_at(self) -> float | None:
        """When `tidy` has something to do."""
        times = [m.scheduled_at or 0.0 for m in self._scheduled.values()]
        times += [lock.until for lock in self._locks.values()]
        return min(times, default=None)

    def locked_until(self) -> list[float]:
        """When the locks there are end."""
        return [lock.until for lock in self._locks.values()]

    def counts(self) -> Counts:
        self.tidy()
        dead = self.dead_letters.counts().active if self.dead_letters else 0
        return Counts(
            len(self._active), len(self._scheduled), len(self._locks), len(self._deferred), dead
        )

    def _locked(self, message: Stored) -> Lock:
        lock = Lock(uuid.uuid4(), message, self._now() + self.lock_duration)
        self._locks[lock.token] = lock
        self._changed(self)
        return lock

    def _held(self, token: uuid.UUID) -> Lock:
        lock = self._locks.get(token)
        if lock is None or lock.until <= self._now():
            raise LockLost
        return lock

    def _failed(self, message: Stored) -> None:
        message.delivery_count += 1
        if self.dead_letters and message.delivery_count >= self.max_delivery_count:
            said = f"delivered {message.delivery_count} times, which is as often as allowed"
            self._bury(message, "MaxDeliveryCountExceeded", said)
        else:
            self._give_back(message)

    def _give_back(self, message: Stored) -> None:
        message.state = ACTIVE
        heapq.heappush(self._active, (message.sequence_number, message))
        self._changed(self)

    def _bury(self, message: Stored, reason: str, description: str) -> None:
        if self.dead_letters is None:
            self._give_back(message)
            return
        message.dead_letter = {
            "DeadLetterReason": reason,
            "DeadLetterErrorDescription": description,
        }
        self.dead_letters.put(message)
