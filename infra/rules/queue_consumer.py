"""The receiving side of a queue, as the embedded host drives it: Service Bus's peek-lock. A
received message is hidden for as long as its lock lasts; unless it is settled by then it
comes again, with a higher delivery count."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


class LockLost(Exception):
    """The lock has expired, or its message is settled already."""

    def __init__(self) -> None:
        super().__init__("The lock has expired, or its message is settled already.")


@dataclass(frozen=True)
class Received:
    """One delivery. `delivery_count` is 1 on the first; `properties` hold, when the sender
    had one, `traceparent`."""

    id: str
    queue: str
    sequence_number: int
    body: bytes
    properties: Mapping[str, str]
    enqueued_at: datetime
    delivery_count: int
    lock_token: str
    locked_until: datetime


class QueueConsumer(Protocol):
    """Lost locks raise LockLost; a fault that may pass raises what a port's would."""

    @abstractmethod
    async def receive(
        self, queue: str, max_count: int, lock_duration: timedelta
    ) -> Sequence[Received]:
        """Up to `max_count` messages that may be received now; never waits. Where the lock's
        duration is the queue's own property, `lock_duration` means nothing."""

    @abstractmethod
    async def complete(self, lock: str) -> None:
        """The message is done and gone."""

    @abstractmethod
    async def abandon(self, lock: str, delay: timedelta = timedelta(0)) -> None:
        """Give the message back, to come again after `delay`, or sooner where a queue cannot
        hold it back that long."""

    @abstractmethod
    async def renew(self, lock: str) -> datetime:
        """Start the lock's duration anew and return its end."""

    @abstractmethod
    async def dead_letter(self, lock: str, reason: str, description: str = "") -> None:
        """Put the message aside, with why."""

    @abstractmethod
    async def wait(self, queue: str, timeout: float) -> bool:
        """True as soon as `receive` may find a message; False after `timeout` seconds."""
