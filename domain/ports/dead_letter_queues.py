"""Messages that their queue has put aside."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


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
