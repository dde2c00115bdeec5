"""What a page that shows the whole workspace needs, in one read."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from domain.batch.batch_deployment import BatchDeployment
from domain.batch.batch_endpoint import BatchEndpoint
from domain.figures.figure_gathering import FigureGathering
from domain.ground.resource import TrackedResource
from domain.jobs.batch_jobs import BatchJobs, JobChoice, JobView
from domain.jobs.records.job_status import JobStatus
from domain.online.deployment_scale import ASLEEP_KIND, DeploymentScale
from domain.online.deployment_scale import KIND as SCALE_KIND
from domain.online.deployment_scale import from_document as scale_of
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.overview.costs_today import CostsToday, CostsTodayReading
from domain.overview.known_documents import KnownDocuments
from domain.overview.request_rates import NONE, Place, RequestRates, rates
from domain.ports import Clock, ResourceStore
from domain.ports.records.figure_store import FigureStore
from domain.provisioning.kind import KindTypes

MOST_JOBS = 100
"""Of each status."""
_ACTIVE = tuple(status for status in JobStatus if not status.is_terminal)
_FRESH, _FRESH_IN_CLOUD = 1.0, 10.0
"""Seconds for which what has been read is shown to whoever asks."""

E = TypeVar("E", bound=TrackedResource)
D = TypeVar("D", bound=TrackedResource)


@dataclass(frozen=True)
class Listed(Generic[E, D]):
    endpoint: E
    deployments: Sequence[D]


@dataclass(frozen=True)
class Overview:
    """`scales` are of the deployments whose count is not fixed, by endpoint and deployment in
    lower case; `jobs` those that have not ended, newest first."""

    at: datetime
    online: Sequence[Listed[OnlineEndpoint, OnlineDeployment]]
    batch: Sequence[Listed[BatchEndpoint, BatchDeployment]]
    scales: Mapping[Place, DeploymentScale]
    rates: Mapping[Place, RequestRates]
    jobs: Sequence[JobView]
    costs: CostsToday

    def rates_of(self, endpoint: str, deployment: str = "") -> RequestRates:
        return self.rates.get((endpoint.casefold(), deployment.casefold()), NONE)


class OverviewReading:
    """However many ask, the store is read once a second, or once in ten where reading it and
    writing figures cost money."""

    def __init__(
        self,
        store: ResourceStore,
        clock: Clock,
        figures: FigureStore,
        gathering: FigureGathering,
        jobs: BatchJobs,
        costs: CostsTodayReading,
        online: KindTypes[OnlineEndpoint, OnlineDeployment],
        batch: KindTypes[BatchEndpoint, BatchDeployment],
    ) -> None:
        self._clock = clock
        self._figures = figures
        self._gathering = gathering
        self._jobs = jobs
        self._costs = costs
        self._online = KnownDocuments(store, online.endpoint_kind, online.endpoint)
        self._online_deployments = KnownDocuments(store, online.deployment_kind, online.deployment)
        self._batch = KnownDocuments(store, batch.endpoint_kind, batch.endpoint)
        self._batch_deployments = KnownDocuments(store, batch.deployment_kind, batch.deployment)
        self._awake = KnownDocuments(store, SCALE_KIND, scale_of)
        self._asleep = KnownDocuments(store, ASLEEP_KIND, scale_of)
        self._fresh = _FRESH if figures.period < 60 else _FRESH_IN_CLOUD
        self._last: Overview | None = None
        self._one_read = asyncio.Lock()

    async def read(self) -> Overview:
        async with self._one_read:
            last, now = self._last, self._clock.now()
            if last is None or (now - last.at).total_seconds() >= self._fresh:
                last = self._last = await self._read(now)
            return last

    async def _read(self, now: datetime) -> Overview:
        if self._fresh == _FRESH:
            await self._gathering.flush()
        online, of_online, batch, of_batch = await asyncio.gather(
            self._online.all(),
            self._online_deployments.all(),
            self._batch.all(),
            self._batch_deployments.all(),
        )
        awake, asleep, found, jobs, costs = await asyncio.gather(
            self._awake.all(),
            self._asleep.all(),
            rates(self._figures, now.timestamp()),
            self._active_jobs(),
            self._costs.read(),
        )
        scales = (*awake, *asleep)
        return Overview(
            at=now,
            online=_listed(online, of_online),
            batch=_listed(batch, of_batch),
            scales={(s.endpoint.casefold(), s.deployment.casefold()): s for s in scales},
            rates=found,
            jobs=jobs,
            costs=costs,
        )

    async def _active_jobs(self) -> list[JobView]:
        pages = await asyncio.gather(
            *(self._jobs.list(MOST_JOBS, None, JobChoice(status=each)) for each in _ACTIVE)
        )
        found = {view.job.name: view for page, _ in pages for view in page}
        return sorted(found.values(), key=lambda view: view.job.created_at, reverse=True)


def _listed(endpoints: Sequence[E], deployments: Sequence[D]) -> list[Listed[E, D]]:
    by_endpoint: dict[str, list[D]] = {}
    for each in deployments:
        name: str = each.endpoint  # type: ignore[attr-defined]  # every deployment has one
        by_endpoint.setdefault(name.casefold(), []).append(each)
    return [Listed(each, by_endpoint.get(each.name.casefold(), ())) for each in endpoints]
