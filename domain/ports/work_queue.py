"""Named queues, at least once, and what they have put aside."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from domain.ports.resource_store import Json


@dataclass(frozen=True)
class Message:
    """What is sent: a small JSON body that names work, never carries it. `properties` travel
    beside it; `schema` is the queue's own (domain/ground/schema.py) unless they say another."""

    body: Json
    delay: timedelta = timedelta(0)
    properties: Mapping[str, str] = field(default_factory=dict)


class WorkQueue(Protocol):
    """Named queues, delivered at least once by the host to queue-triggered functions, in no
    promised order. The sender's trace context travels with the message."""

    @abstractmethod
    async def send(self, queue: str, *messages: Message) -> None:
        """Durably enqueue every message before returning; on an error some may be
        enqueued. Raises MessageTooLarge over 256 KB of encoded body."""


@dataclass(frozen=True)
class DeadMessage:
    """A message that was put aside, and why. `number` is its place among its queue's, of which
    later ones have higher numbers; `dead_lettered_at` is None where the service does not say."""

    number: int
    id: str
    queue: str
    body: bytes
    properties: Mapping[str, str]
    enqueued_at: datetime
    delivery_count: int
    reason: str
    description: str
    dead_lettered_at: datetime | None


class DeadLetterQueues(Protocol):
    """Beside each queue of a WorkQueue, the messages that could not be handled."""

    @abstractmethod
    async def dead_messages(self, queue: str, after: int, limit: int) -> Sequence[DeadMessage]:
        """The first `limit` (250 at most) with numbers above `after`, in order. They stay."""

    @abstractmethod
    async def replay(self, queue: str, numbers: Collection[int]) -> int:
        """Have these delivered as if they had just been sent, with the properties they came with
        but for the count of givings back; how many of them there were. After an error, or a crash,
        one may be in both places: it is then delivered, and may be replayed once more."""

    @abstractmethod
    async def discard(self, queue: str, numbers: Collection[int]) -> int:
        """Remove these for good; how many of them there were."""
