"""Batch jobs, from their invocation to their removal."""

import platform
from datetime import timedelta

from domain.assets.asset_registration import AssetRegistration
from domain.batch.batch_provisioning import BatchProvisioning
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
from infra.settings import Settings
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles


def compose_jobs(
    ground: Ground, settings: Settings, *, assets: AssetRegistration, batch: BatchProvisioning
) -> JobActivities:
    a = ground.adapters
    web = _web_files(settings)
    collection = BatchJobs(a.store, a.queue, a.blobs, a.clock, ground.scope)
    workers = JobWorkers(a.store, a.compute, batch)
    alone = settings.platform == "embedded"
    return JobActivities(
        invocation=JobInvocation(
            a.store,
            a.queue,
            a.blobs,
            a.clock,
            ground.scope,
            assets=assets,
            batch=batch,
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
            batch=batch,
            planning=JobPlanning(a.blobs, web),
            outbox=ground.outbox,
            units_ahead=alone if settings.units_ahead is None else settings.units_ahead,
        ),
        units=UnitDelivery(
            a.store,
            a.queue,
            a.blobs,
            a.scorer,
            a.clock,
            workers=workers,
            holder=f"{platform.node()}:{settings.data_dir.absolute()}",
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


def _web_files(settings: Settings) -> WebFiles:
    return PublicWebFiles(
        OutboundAddresses(settings.private_networks),
        max_bytes=settings.web_file_max_bytes,
        max_time=settings.web_file_max_time,
    )
