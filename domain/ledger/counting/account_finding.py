"""Which deployment or job a workload is."""

from collections import OrderedDict
from dataclasses import dataclass

from domain.batch.batch_deployment import BatchDeployment
from domain.batch.batch_endpoint import BatchEndpoint
from domain.errors import NotFound
from domain.jobs.records.job_store import JobStore
from domain.ledger.counting.account import BATCH, ONLINE, Account, tags_of
from domain.online.online_deployment import KEY_PREFIX, OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.ports import Clock
from domain.provisioning.endpoint_documents import EndpointDocuments

LOCAL = "local"
"""The instance type of what names none."""
_FRESH = 60.0
_REMEMBERED = 10_000


@dataclass(frozen=True)
class _Known:
    account: Account
    at: float


class AccountFinding:
    """Documents are read once a minute and workload at most; one that is gone is remembered as it
    was, or else is what its key says."""

    def __init__(
        self,
        online: EndpointDocuments[OnlineEndpoint, OnlineDeployment],
        batch: EndpointDocuments[BatchEndpoint, BatchDeployment],
        jobs: JobStore,
        clock: Clock,
    ) -> None:
        self._online = online
        self._batch = batch
        self._jobs = jobs
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def of(self, key: str) -> Account:
        """Of a workload. Raises what the store does."""
        now = self._clock.now().timestamp()
        known = self._known.get(key)
        if known is not None and now - known.at < _FRESH:
            return known.account
        found = await self._found(key)
        if found is None:
            found = known.account if known is not None else _named(key)
        self._known[key] = _Known(found, now)
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _found(self, key: str) -> Account | None:
        kind, _, place = key.partition("/")
        endpoint, slash, deployment = place.partition("/")
        try:
            if f"{kind}/" == KEY_PREFIX and slash:
                return await self._of_deployment(endpoint, deployment)
            if place and not slash:
                return await self._of_job(place)
        except NotFound:
            return None
        return None

    async def _of_deployment(self, endpoint: str, deployment: str) -> Account:
        owner = (await self._online.endpoint(endpoint)).resource
        found = (await self._online.deployment(endpoint, deployment)).resource
        return Account(
            ONLINE,
            owner.name,
            found.name,
            instance_type=found.properties.instance_type or LOCAL,
            tags=tags_of(owner.tags, found.tags),
        )

    async def _of_job(self, name: str) -> Account | None:
        stored = await self._jobs.job(name)
        if stored is None:
            return None
        job = stored.job
        endpoint_tags, deployment_tags = await self._tags_of(job.endpoint, job.deployment)
        return Account(
            BATCH,
            job.endpoint,
            job.deployment,
            job.name,
            job.settings.resources.instance_type or LOCAL,
            job.settings.max_concurrency_per_instance,
            tags_of(endpoint_tags, deployment_tags, job.tags),
        )

    async def _tags_of(
        self, endpoint: str, deployment: str
    ) -> tuple[dict[str, str], dict[str, str]]:
        try:
            owner = (await self._batch.endpoint(endpoint)).resource
            found = (await self._batch.deployment(endpoint, deployment)).resource
        except NotFound:
            return {}, {}
        return owner.tags, found.tags


def _named(key: str) -> Account:
    kind, _, place = key.partition("/")
    endpoint, slash, deployment = place.partition("/")
    if f"{kind}/" == KEY_PREFIX and slash:
        return Account(ONLINE, endpoint, deployment, instance_type=LOCAL)
    return Account(BATCH, "", "", place if not slash else "", LOCAL)
