"""A budget: how much may be spent in a time, of what, and at which parts of it somebody is told."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.ground.facts import EventType, Fact
from domain.ground.resource import Text, TrackedResource
from domain.ledger.cost_filter import CostFilter
from domain.values import Value

KIND = "budget"
PARTITION = "budgets"
MOST = 100
"""Each is reckoned every few minutes."""


class TimeGrain(StrEnum):
    DAILY = "Daily"
    MONTHLY = "Monthly"
    QUARTERLY = "Quarterly"
    ANNUALLY = "Annually"


class Operator(StrEnum):
    GREATER_THAN = "GreaterThan"
    GREATER_THAN_OR_EQUAL_TO = "GreaterThanOrEqualTo"


class Notification(Value):
    """`threshold` is in percent of the amount."""

    enabled: bool = True
    operator: Operator = Operator.GREATER_THAN_OR_EQUAL_TO
    threshold: Annotated[float, Field(ge=0.01, le=1000)] = 100.0

    def is_passed(self, spent: float, amount: float) -> bool:
        at = amount * self.threshold / 100
        return spent > at if self.operator is Operator.GREATER_THAN else spent >= at


WHOLE = {"Whole": Notification()}


class BudgetPeriod(Value):
    """Before and after it nothing is told."""

    start_date: datetime | None = None
    end_date: datetime | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start_date and self.end_date and _utc(self.end_date) <= _utc(self.start_date):
            raise ValueError("endDate is not after startDate")
        return self


class BudgetProperties(Value):
    """Azure's fields, and `Daily`. Without notifications it tells when all of it is spent."""

    category: Annotated[str, Field(pattern=r"(?i)^cost$")] = "Cost"
    amount: Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
    time_grain: TimeGrain = TimeGrain.MONTHLY
    time_period: BudgetPeriod = BudgetPeriod()
    filter: CostFilter | None = None
    notifications: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=64)], Notification],
        Field(max_length=5),
    ] = WHOLE
    description: Text | None = None


class Budget(TrackedResource):
    """`told` says of each notification for which time, by its first day, it was last told;
    `spent` of the time that begins on `since` is as it was at `reckoned_at`."""

    properties: BudgetProperties
    told: dict[str, str] = {}
    spent: float = 0.0
    currency: str = ""
    since: str = ""
    reckoned_at: datetime | None = None

    def is_on(self, now: datetime) -> bool:
        period = self.properties.time_period
        begun = period.start_date is None or _utc(period.start_date) <= now
        return begun and (period.end_date is None or now < _utc(period.end_date))

    def days(self, now: datetime) -> tuple[date, date]:
        """From the first of the time that goes on, or the budget's own, to today."""
        today = now.date()
        first = _first(self.properties.time_grain, today)
        start = self.properties.time_period.start_date
        if start is not None:
            first = min(max(first, _utc(start).date()), today)
        return first, today

    def reckoned(
        self, spent: float, currency: str, since: date, now: datetime
    ) -> tuple[Self, list[Fact]]:
        """With what is spent, and what is to be told of it: each notification once for a time."""
        passed = dict(self._passed(spent, since.isoformat()))
        kept = {n: told for n, told in self.told.items() if n in self.properties.notifications}
        after = self.but(
            spent=spent,
            currency=currency,
            since=since.isoformat(),
            reckoned_at=now,
            told={**kept, **dict.fromkeys(passed, since.isoformat())},
        )
        return after, [after._fact(name, each) for name, each in passed.items()]

    def _passed(self, spent: float, since: str) -> Iterator[tuple[str, Notification]]:
        for name, each in self.properties.notifications.items():
            is_told = self.told.get(name) == since
            if each.enabled and not is_told and each.is_passed(spent, self.properties.amount):
                yield name, each

    def _fact(self, name: str, notification: Notification) -> Fact:
        asked = self.properties
        return Fact(
            type=EventType.BUDGET_PASSED,
            subject=f"budgets/{self.name}",
            data={
                "budget": self.name,
                "notification": name,
                "threshold": notification.threshold,
                "amount": asked.amount,
                "spent": round(self.spent, 6),
                "currency": self.currency,
                "timeGrain": asked.time_grain.value,
                "since": self.since,
            },
        )


def _first(grain: TimeGrain, today: date) -> date:
    match grain:
        case TimeGrain.DAILY:
            return today
        case TimeGrain.MONTHLY:
            return today.replace(day=1)
        case TimeGrain.QUARTERLY:
            return today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
        case TimeGrain.ANNUALLY:
            return today.replace(month=1, day=1)


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
