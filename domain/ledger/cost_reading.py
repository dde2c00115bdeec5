"""What was used, and what it costs, as it is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from domain.ledger.cost_query import CostQuery, CostRow, Granularity, rows
from domain.ledger.price_sheet import PriceSheet
from domain.ledger.price_sheets import PriceSheets
from domain.ledger.usage import Usage
from domain.ledger.usage_reading import UsageReading
from domain.ports import Clock


@dataclass(frozen=True)
class Costs:
    """`unpriced` are instance types that ran and have no price; `is_sample`: nobody has set the
    prices."""

    rows: Sequence[CostRow]
    prices: PriceSheet
    is_sample: bool
    unpriced: Sequence[str]


class CostReading:
    def __init__(self, usages: UsageReading, prices: PriceSheets, clock: Clock) -> None:
        self._usages = usages
        self._prices = prices
        self._clock = clock

    def today(self) -> date:
        """In UTC, by which days are told apart."""
        return self._clock.now().date()

    async def read(self, query: CostQuery, may_see: Callable[[Usage], bool]) -> Costs:
        """Of the usage that the caller may see."""
        prices, etag = await self._prices.get()
        by_day = query.granularity is Granularity.DAILY
        found = await self._usages.read(query.since, query.until, prices, by_day=by_day)
        seen = [each for each in found if may_see(each)]
        mine = [each for each in seen if query.selection.takes(each)]
        unpriced = {each.account.instance_type for each in mine if each.cost is None}
        return Costs(rows(query, mine), prices, etag is None, sorted(unpriced))
