"""What endpoints, deployments and jobs have cost since midnight (UTC)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.ledger.cost_query import CostQuery, Dimension
from domain.ledger.cost_reading import CostReading
from domain.ledger.usage import Usage
from domain.ports import Clock

AGE = 60.0
"""Seconds for which what has been reckoned is shown."""
_BY = tuple(Dimension(each) for each in ("Kind", "Endpoint", "Deployment", "Job"))

Payer = tuple[str, str, str]
"""A collection, an endpoint and a deployment, in lower case; '' for all of the endpoint."""


@dataclass(frozen=True)
class CostsToday:
    """`unpriced` are instance types that ran and have no price: they add nothing."""

    at: datetime
    currency: str
    is_sample: bool
    unpriced: Sequence[str]
    by_payer: Mapping[Payer, float]
    by_job: Mapping[str, float]

    @property
    def day(self) -> date:
        return self.at.date()

    def of(self, collection: str, endpoint: str, deployment: str = "") -> float:
        payer = collection.casefold(), endpoint.casefold(), deployment.casefold()
        return self.by_payer.get(payer, 0.0)


class CostsTodayReading:
    """Reckoned once a minute, however many ask."""

    def __init__(self, costs: CostReading, clock: Clock) -> None:
        self._costs = costs
        self._clock = clock
        self._last: CostsToday | None = None
        self._one_read = asyncio.Lock()

    async def read(self) -> CostsToday:
        async with self._one_read:
            last, now = self._last, self._clock.now()
            is_old = last is None or (now - last.at).total_seconds() >= AGE
            if last is None or is_old or last.day != now.date():
                last = self._last = await self._read(now)
            return last

    async def _read(self, now: datetime) -> CostsToday:
        found = await self._costs.read(CostQuery(now.date(), now.date(), by=_BY), _all)
        payers: dict[Payer, float] = {}
        jobs: dict[str, float] = {}
        for row in found.rows:
            [cost], (kind, endpoint, deployment, job) = row.amounts, row.names
            for each in {"", deployment.casefold()}:
                payer = kind.casefold(), endpoint.casefold(), each
                payers[payer] = payers.get(payer, 0.0) + cost
            if job:
                jobs[job] = jobs.get(job, 0.0) + cost
        return CostsToday(now, found.prices.currency, found.is_sample, found.unpriced, payers, jobs)


def _all(usage: Usage) -> bool:
    return True
