"""What was used: a line of the ledger as it is told, with what it costs."""

from dataclasses import dataclass
from enum import StrEnum

from domain.ledger.counting.account import Account


class Meter(StrEnum):
    """What is counted, each in the unit that its name says."""

    INSTANCE_SECONDS = "InstanceSeconds"
    WORKER_SECONDS = "WorkerSeconds"
    REQUESTS = "Requests"
    BYTES_MOVED = "BytesMoved"
    BYTES_READ = "BytesRead"
    BYTES_WRITTEN = "BytesWritten"
    BYTES_STORED = "BytesStored"


@dataclass(frozen=True)
class Usage:
    """Of one day (2026-01-31, in UTC) and account. `idle` is the part of the quantity in which
    nobody asked anything of it, `idle_cost` the part of the cost; a cost is None where there is no
    price."""

    day: str
    account: Account
    meter: Meter
    quantity: float
    cost: float | None
    idle: float = 0.0
    idle_cost: float | None = 0.0
