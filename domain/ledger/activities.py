"""What is done with the ledger, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.ground.driving.sweeping import Resume
from domain.ledger.budgets import Budgets
from domain.ledger.cost_estimating import CostEstimating
from domain.ledger.cost_reading import CostReading
from domain.ledger.counting.life_counting import LifeCounting
from domain.ledger.price_sheets import PriceSheets
from domain.ledger.stored.stored_counting import StoredCounting
from domain.ledger.what_if import WhatIf


@dataclass(frozen=True)
class LedgerActivities:
    """`counting` is None where this process runs nothing, nor sees what runs."""

    counting: LifeCounting | None
    stored: StoredCounting
    prices: PriceSheets
    costs: CostReading
    estimating: CostEstimating
    budgets: Budgets
    what_if: WhatIf

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return self.budgets.owners

    async def close(self) -> None:
        """What has run up to now is counted."""
        if self.counting is not None:
            await self.counting.close()
