"""What a consumer of the embedded work queue sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


class LockLost(Exception):
    """The lock has expired, or its message is settled already."""

    def __init__(self) -> None:
        super().__init__("The lock has expired, or its message is settled already.")


@dataclass(frozen=True)
class Received:
    """One delivery. `delivery_count` is 1 on the first; `properties` hold `message_id` and,
    when the sender had one, `traceparent`."""

    id: str
    queue: str
    sequence_number: int
    body: bytes
    properties: Mapping[str, str]
    enqueued_at: datetime
    delivery_count: int
    lock_token: str
    locked_until: datetime


@dataclass(frozen=True)
class DeadLetter:
    """A message that was put aside, and why."""

    id: str
    queue: str
    sequence_number: int
    body: bytes
    properties: Mapping[str, str]
    enqueued_at: datetime
    delivery_count: int
    reason: str
    description: str
    dead_lettered_at: datetime


@dataclass(frozen=True)
class QueueCounts:
    """`active` may be received now; `waiting` later (delayed, or locked by a receiver);
    `locked` are those of the waiting that a receiver holds."""

    active: int
    waiting: int
    locked: int
    dead_lettered: int
