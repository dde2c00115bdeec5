"""What ran, for how long, and what it costs."""

from datetime import timedelta

from domain.assets.activities import AssetActivities
from domain.batch.activities import BatchActivities
from domain.figures.activities import FigureActivities
from domain.jobs.records.job_store import JobStore
from domain.ledger.activities import LedgerActivities
from domain.ledger.budgets import Budgets
from domain.ledger.cost_estimating import CostEstimating
from domain.ledger.cost_reading import CostReading
from domain.ledger.counting.account_finding import AccountFinding
from domain.ledger.counting.life_counting import LifeCounting
from domain.ledger.price_sheets import PriceSheets
from domain.ledger.stored.stored_counting import StoredCounting
from domain.ledger.stored.stored_owners import StoredOwners
from domain.ledger.usage_reading import UsageReading
from domain.ledger.what_if import WhatIf
from domain.online.activities import OnlineActivities
from domain.ports.records.figure_store import FigureStore
from infra.composition.ground import Ground
from infra.settings.features import LedgerSettings


def compose_ledger(
    ground: Ground,
    settings: LedgerSettings,
    figures: FigureActivities,
    assets: AssetActivities,
    *,
    online: OnlineActivities,
    batch: BatchActivities,
) -> LedgerActivities:
    a = ground.adapters
    counting, prices = None, PriceSheets(a.store)
    if a.meter is not None:
        counting = LifeCounting(
            a.store,
            a.meter,
            AccountFinding(online.documents, batch.documents, JobStore(a.store), a.clock),
            period=settings.period,
            keep=timedelta(days=settings.kept_days),
        )
    usages = UsageReading(a.store, a.figures, figures.gathering, a.capabilities, counting, a.clock)
    costs = CostReading(usages, prices, a.clock)
    estimating = CostEstimating(prices, a.capabilities)
    return LedgerActivities(
        counting=counting,
        stored=StoredCounting(
            a.store,
            a.blobs,
            StoredOwners(a.store, assets.registration).all,
            a.clock,
            period=timedelta(seconds=settings.stored_period),
            keep=timedelta(days=settings.kept_days),
        ),
        prices=prices,
        costs=costs,
        estimating=estimating,
        budgets=Budgets(
            a.store, ground.outbox, a.clock, costs, ground.location, every=_every(a.figures)
        ),
        what_if=WhatIf(estimating),
    )


def _every(figures: FigureStore) -> timedelta:
    """How often budgets are reckoned: more seldom where reading costs money."""
    return timedelta(minutes=1 if figures.period < 60 else 15)
