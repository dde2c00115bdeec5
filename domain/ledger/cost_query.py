"""What is asked of costs: of which time, by what, and of what alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from domain.ledger.usage import Usage


class Amount(StrEnum):
    """What is added up."""

    COST = "Cost"
    IDLE_COST = "IdleCost"
    QUANTITY = "UsageQuantity"
    IDLE_QUANTITY = "IdleQuantity"


class Granularity(StrEnum):
    NONE = "None"
    DAILY = "Daily"
    MONTHLY = "Monthly"


@dataclass(frozen=True)
class Dimension:
    """By what usage is told apart: one of `DIMENSIONS`, or a tag."""

    name: str
    is_tag: bool = False

    def of(self, usage: Usage) -> str:
        if self.is_tag:
            name = self.name.casefold()
            found = (value for key, value in usage.account.tags if key.casefold() == name)
            return next(found, "")
        return DIMENSIONS[self.name](usage)


DIMENSIONS: Mapping[str, Callable[[Usage], str]] = {
    "Endpoint": lambda usage: usage.account.endpoint,
    "Deployment": lambda usage: usage.account.deployment,
    "Job": lambda usage: usage.account.job,
    "Kind": lambda usage: usage.account.collection,
    "InstanceType": lambda usage: usage.account.instance_type,
    "Meter": lambda usage: usage.meter.value,
}


@dataclass(frozen=True)
class Selection:
    """What of the usage is meant: that has one of `values` (in any case) by `dimension`, or all
    or any of `parts`."""

    dimension: Dimension | None = None
    values: frozenset[str] = frozenset()
    parts: tuple["Selection", ...] = ()
    any_of_parts: bool = False

    def takes(self, usage: Usage) -> bool:
        if self.dimension is not None:
            return self.dimension.of(usage).casefold() in self.values
        taken = (part.takes(usage) for part in self.parts)
        return any(taken) if self.any_of_parts else all(taken)


EVERYTHING = Selection()


@dataclass(frozen=True)
class CostQuery:
    """From `since` to `until`, both included."""

    since: date
    until: date
    granularity: Granularity = Granularity.NONE
    amounts: tuple[Amount, ...] = (Amount.COST,)
    by: tuple[Dimension, ...] = ()
    selection: Selection = EVERYTHING


@dataclass(frozen=True)
class CostRow:
    """`when` is 2026-01-31, 2026-01 or '', by the granularity; `amounts` and `names` are in the
    order asked for."""

    when: str
    amounts: tuple[float, ...]
    names: tuple[str, ...]


def rows(query: CostQuery, usages: Sequence[Usage]) -> list[CostRow]:
    """In order of time and names. What has no price adds nothing to a cost."""
    sums: dict[tuple[str, tuple[str, ...]], list[float]] = {}
    for usage in usages:
        if not query.selection.takes(usage):
            continue
        key = _when(query.granularity, usage.day), tuple(each.of(usage) for each in query.by)
        found = sums.setdefault(key, [0.0] * len(query.amounts))
        for place, amount in enumerate(query.amounts):
            found[place] += _amount(amount, usage)
    return [CostRow(when, tuple(found), names) for (when, names), found in sorted(sums.items())]


def _when(granularity: Granularity, day: str) -> str:
    match granularity:
        case Granularity.DAILY:
            return day
        case Granularity.MONTHLY:
            return day[:7]
        case Granularity.NONE:
            return ""


def _amount(amount: Amount, usage: Usage) -> float:
    match amount:
        case Amount.COST:
            return usage.cost or 0.0
        case Amount.IDLE_COST:
            return usage.idle_cost or 0.0
        case Amount.QUANTITY:
            return usage.quantity
        case Amount.IDLE_QUANTITY:
            return usage.idle
