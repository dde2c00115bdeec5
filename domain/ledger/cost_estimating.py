"""What something would cost, before it runs."""

from dataclasses import dataclass

from domain.errors import Detail, refuse
from domain.ledger.counting.account_finding import LOCAL
from domain.ledger.price_sheet import PriceSheet
from domain.ledger.price_sheets import PriceSheets
from domain.ledger.usage_reading import Pricing
from domain.ports import Capabilities

_DAY = 24.0
_MONTH = 730.0
"""Hours, as Azure's calculator has them."""


@dataclass(frozen=True)
class Estimate:
    """Of so many instances that run all the time; `per_hour` is None where there is no price."""

    instance_type: str
    instances: int
    per_hour: float | None
    prices: PriceSheet
    is_sample: bool

    @property
    def per_day(self) -> float | None:
        return None if self.per_hour is None else self.per_hour * _DAY

    @property
    def per_month(self) -> float | None:
        return None if self.per_hour is None else self.per_hour * _MONTH


class CostEstimating:
    def __init__(self, prices: PriceSheets, capabilities: Capabilities) -> None:
        self._prices = prices
        self._capabilities = capabilities

    async def of(self, instance_type: str | None, instances: int) -> Estimate:
        """Raises Invalid for an instance type that has neither a price nor a meaning here."""
        prices, etag = await self._prices.get()
        name = instance_type or LOCAL
        one = Pricing(prices, self._capabilities).per_hour(name)
        sizes = self._capabilities.sizes()
        if one is None and not any(name.casefold() == each.casefold() for each in sizes):
            told = f"There is no instance type '{name[:80]}' here, nor in the price sheet."
            refuse([Detail("InvalidField", told, "instanceType")])
        whole = None if one is None else one * instances
        return Estimate(name, instances, whole, prices, etag is None)
