"""What the embedded work queue tells of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


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
