"""Batch jobs, from their invocation to their removal."""

from collections.abc import Sequence
from datetime import timedelta

from domain.assets.asset_registration import AssetRegistration
from domain.batch.activities import BatchActivities
from domain.jobs.activities import JobActivities
from domain.jobs.batch_jobs import BatchJobs
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.job_retention import JobRetention
from domain.jobs.job_supervision import JobSupervision
from domain.jobs.planning.job_planning import JobPlanning
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.unit_delivery import UnitDelivery
from domain.ports import WebFiles
from infra.composition.ground import Ground
from infra.settings.features import BatchSettings
from infra.settings.values import Network
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles


def compose_jobs(
    ground: Ground,
    settings: BatchSettings,
    *,
    assets: AssetRegistration,
    batch: BatchActivities,
    private_networks: Sequence[Network],
    units_ahead: bool,
    holder: str,
) -> JobActivities:
    a = ground.adapters
    web = _web_files(settings, private_networks)
    collection = BatchJobs(a.store, a.queue, a.blobs, a.clock, ground.scope)
    workers = JobWorkers(a.store, a.compute, batch.workloads)
    return JobActivities(
        invocation=JobInvocation(
            a.store,
            a.queue,
            a.blobs,
            a.clock,
            ground.scope,
            assets=assets,
            batch=batch.documents,
            web=web,
            outbox=ground.outbox,
        ),
        collection=collection,
        supervision=JobSupervision(
            a.store,
            a.queue,
            a.blobs,
            a.compute,
            a.clock,
            workloads=batch.workloads,
            planning=JobPlanning(a.blobs, web),
            outbox=ground.outbox,
            units_ahead=units_ahead if settings.units_ahead is None else settings.units_ahead,
        ),
        units=UnitDelivery(
            a.store,
            a.queue,
            a.blobs,
            a.scorer,
            a.clock,
            workers=workers,
            holder=holder,
        ),
        workers=workers,
        retention=JobRetention(
            a.store,
            a.blobs,
            a.clock,
            collection,
            keep=timedelta(days=settings.job_retention_days) or None,
        ),
    )


def _web_files(settings: BatchSettings, private_networks: Sequence[Network]) -> WebFiles:
    return PublicWebFiles(
        OutboundAddresses(private_networks),
        max_bytes=settings.web_file_max_bytes,
        max_time=settings.web_file_max_time,
    )
