"""Figures of a bill, and what they come to: request units and money are reckoned from
published prices, not measured (docs/costs.md says what is assumed)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tests.infra.cloud.cloud_costs import Operation
from tests.infra.cloud.costs.cost_stage import Bill

COUNTS = (
    "reads",
    "queries",
    "batches",
    "creates",
    "replaces",
    "deletes",
    "sends",
    "deliveries",
    "settlements",
    "looks",
    "gets",
    "puts",
    "lists",
)
_NAMES = {
    "cosmos read item": "reads",
    "cosmos query": "queries",
    "cosmos batch": "batches",
    "blob get blob properties": "looks",
    "blob get blob": "gets",
    "blob get blob (worker)": "gets",
    "blob put blob": "puts",
    "blob put block": "puts",
    "blob put block (worker)": "puts",
    "blob put block list": "puts",
    "blob list blobs": "lists",
}
_WRITES = {"Create": "creates", "Replace": "replaces", "Delete": "deletes"}

_STRONG = 2.0
_WRITE = {"Create": 6.0, "Replace": 11.0, "Delete": 6.0}
_QUERY = 3.0
DOLLARS = {
    "RU": 0.25e-6,
    "bus": 0.80e-6,
    "blob write": 0.055e-4,
    "blob read": 0.0044e-4,
}


@dataclass(frozen=True)
class Figures:
    counts: Mapping[str, float]
    request_units: float
    partitions: int
    largest: int

    @classmethod
    def of(cls, bill: Bill) -> Self:
        """Raises KeyError for an operation that has no column."""
        counts: dict[str, float] = {name: bill.bus[name] for name in COUNTS}
        units = 0.0
        for operation in bill.operations:
            counts[_NAMES[operation.name]] += 1
            for write in operation.writes:
                counts[_WRITES[write]] += 1
            units += _request_units(operation)
        return cls(counts, units, len(bill.partitions), bill.largest_document)

    def each(self, other: Self, number: int, part: Bill) -> Self:
        """What each of `number` things costs by which `other` has more; `part` are pieces
        that deal with nothing but such things."""
        counts = {name: (other.counts[name] - self.counts[name]) / number for name in COUNTS}
        units = (other.request_units - self.request_units) / number
        return type(self)(counts, units, len(part.partitions), part.largest_document)

    def without(self, each: Self, number: int) -> Self:
        """What is left when `number` such things are taken off."""
        counts = {name: self.counts[name] - number * each.counts[name] for name in COUNTS}
        units = self.request_units - number * each.request_units
        return type(self)(counts, units, self.partitions, self.largest)

    @property
    def dollars(self) -> float:
        c = self.counts
        bus = c["sends"] + c["deliveries"] + c["settlements"]
        return (
            self.request_units * DOLLARS["RU"]
            + bus * DOLLARS["bus"]
            + (c["puts"] + c["lists"]) * DOLLARS["blob write"]
            + (c["looks"] + c["gets"]) * DOLLARS["blob read"]
        )

    @property
    def counted(self) -> tuple[str, ...]:
        """As docs/costs.md has it: the size in KB, rounded up to a half."""
        size = -(-self.largest // 512) / 2
        counts = [f"{self.counts[name]:g}" for name in COUNTS]
        return (*counts[:6], str(self.partitions), f"{size:g}", *counts[6:])

    @property
    def reckoned(self) -> tuple[str, ...]:
        return (f"{self.request_units:.0f}", f"{self.dollars * 1e6:.3g}")


def _request_units(operation: Operation) -> float:
    if operation.name == "cosmos read item":
        return _STRONG * _kilobytes(operation.answered)
    if operation.name == "cosmos query":
        return _STRONG * (_QUERY + operation.answered / 1024)
    if operation.name == "cosmos batch":
        sizes = iter(operation.sizes)
        units = 0.0
        for write in operation.writes:
            size = 0 if write == "Delete" else next(sizes)
            units += _WRITE[write] + _kilobytes(size) - 1
        return units
    return 0.0


def _kilobytes(size: int) -> float:
    """The first kilobyte is never charged in part."""
    return max(1.0, size / 1024)
