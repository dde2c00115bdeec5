"""The query of costs, in the shape that Azure Cost Management has it in. Every fault is told at
once."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.errors import Detail, refuse
from domain.ledger.cost_filter import CostFilter, dimension_of
from domain.ledger.cost_query import (
    EVERYTHING,
    Amount,
    CostQuery,
    Granularity,
)
from domain.ledger.price_sheet import PriceSheet
from domain.values import Value

MOST_DAYS = 366
_LATEST = date(9999, 1, 1)


class Timeframe(StrEnum):
    TODAY = "Today"
    MONTH_TO_DATE = "MonthToDate"
    THE_LAST_MONTH = "TheLastMonth"
    WEEK_TO_DATE = "WeekToDate"
    CUSTOM = "Custom"


class TimePeriod(Value):
    """Days in UTC, both included."""

    since: datetime | date = Field(alias="from")
    until: datetime | date = Field(alias="to")


class Aggregation(Value):
    """An amount, by Azure's name or one of ours."""

    name: Annotated[str, Field(max_length=64)]
    function: Annotated[str, Field(pattern=r"(?i)^sum$")] = "Sum"


class Grouping(Value):
    type: Annotated[str, Field(pattern=r"(?i)^(dimension|tagkey|tag)$")] = "Dimension"
    name: Annotated[str, Field(max_length=512)]


class Dataset(Value):
    granularity: Granularity = Granularity.NONE
    aggregation: dict[str, Aggregation] = {}
    grouping: Annotated[tuple[Grouping, ...], Field(max_length=8)] = ()
    filter: CostFilter | None = None


class CostAsked(Value):
    """Azure's `type`s ask for the same here: what was used, at the prices that are set."""

    type: Annotated[str, Field(pattern=r"(?i)^(actualcost|amortizedcost|usage)$")] = "ActualCost"
    timeframe: Timeframe = Timeframe.MONTH_TO_DATE
    time_period: TimePeriod | None = None
    dataset: Dataset = Dataset()


class PriceSheetAsked(Value):
    """The price sheet as it is to be."""

    properties: PriceSheet


_ALIASES = {
    "cost": Amount.COST,
    "costusd": Amount.COST,
    "pretaxcost": Amount.COST,
    "pretaxcostusd": Amount.COST,
    "usagequantity": Amount.QUANTITY,
    "quantity": Amount.QUANTITY,
    "idlecost": Amount.IDLE_COST,
    "idlequantity": Amount.IDLE_QUANTITY,
}


def asked(body: CostAsked, today: date) -> CostQuery:
    """Raises Invalid, with every fault."""
    faults: list[Detail] = []
    since, until = _span(body, today, faults)
    amounts = [
        _amount(each.name, f"dataset.aggregation.{key}", faults)
        for key, each in body.dataset.aggregation.items()
    ]
    by = [
        dimension_of(each.name, each.type.casefold() != "dimension", "dataset.grouping", faults)
        for each in body.dataset.grouping
    ]
    selection = EVERYTHING
    if body.dataset.filter is not None:
        selection = body.dataset.filter.selection("dataset.filter", faults)
    refuse(faults)
    return CostQuery(
        since,
        until,
        body.dataset.granularity,
        tuple(dict.fromkeys(amounts)) or (Amount.COST,),
        tuple(dict.fromkeys(by)),
        selection,
    )


def _amount(name: str, target: str, faults: list[Detail]) -> Amount:
    found = _ALIASES.get(name.casefold())
    if found is None:
        there = ", ".join(Amount)
        told = f"'{name[:80]}' is not added up here; there are {there}."
        faults.append(Detail("BadRequest", told, target))
    return found or Amount.COST


def _span(body: CostAsked, today: date, faults: list[Detail]) -> tuple[date, date]:
    if body.time_period is not None and body.timeframe is not Timeframe.CUSTOM:
        told = "A timePeriod goes with the timeframe Custom."
        faults.append(Detail("BadRequest", told, "timeframe"))
    match body.timeframe:
        case Timeframe.TODAY:
            return today, today
        case Timeframe.MONTH_TO_DATE:
            return today.replace(day=1), today
        case Timeframe.WEEK_TO_DATE:
            return today - timedelta(days=today.weekday()), today
        case Timeframe.THE_LAST_MONTH:
            last = today.replace(day=1) - timedelta(days=1)
            return last.replace(day=1), last
        case Timeframe.CUSTOM:
            return _custom(body.time_period, today, faults)


def _custom(period: TimePeriod | None, today: date, faults: list[Detail]) -> tuple[date, date]:
    if period is None:
        told = "The timeframe Custom needs a timePeriod, with from and to."
        faults.append(Detail("BadRequest", told, "timePeriod"))
        return today, today
    since, until = _day(period.since), _day(period.until)
    if until < since:
        faults.append(Detail("BadRequest", "It ends before it begins.", "timePeriod.to"))
    elif (until - since).days >= MOST_DAYS:
        told = f"Ask for no more than {MOST_DAYS} days at a time."
        faults.append(Detail("BadRequest", told, "timePeriod"))
    elif since.year < 2000 or until >= _LATEST:
        faults.append(Detail("BadRequest", "There are no costs of then.", "timePeriod"))
    return since, until


def _day(given: datetime | date) -> date:
    return given.date() if isinstance(given, datetime) else given


def names(query: CostQuery) -> Sequence[str]:
    """Of the columns, in their order."""
    when = {Granularity.DAILY: ["UsageDate"], Granularity.MONTHLY: ["BillingMonth"]}
    amounts = [each.value for each in query.amounts]
    return [*amounts, *when.get(query.granularity, []), *(each.name for each in query.by)]
