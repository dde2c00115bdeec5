"""What the embedded work queue tells of itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class QueueCounts:
    """`active` may be received now; `waiting` later (delayed, or locked by a receiver);
    `locked` are those of the waiting that a receiver holds."""

    active: int
    waiting: int
    locked: int
    dead_lettered: int
