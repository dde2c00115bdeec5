"""Blobs that land in the inbox, and become jobs."""

from domain.batch.batch_deployment import BatchDeployment
from domain.batch.batch_endpoint import BatchEndpoint
from domain.drops.activities import DropActivities
from domain.drops.blob_dropping import BlobDropping
from domain.drops.drop_arrivals import DropArrivals
from domain.drops.drop_capture import DropCapture
from domain.drops.drop_limits import DropLimits
from domain.drops.drop_store import DropStore
from domain.drops.open_drops import OpenDrops
from domain.drops.option_checking import OptionChecking
from domain.drops.option_files import OptionFiles
from domain.drops.taken_drops import TakenDrops
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.provisioning.endpoint_documents import EndpointDocuments
from infra.composition.ground import Ground
from infra.settings.features import DropSettings


def compose_drops(
    ground: Ground,
    settings: DropSettings,
    invocation: JobInvocation,
    documents: EndpointDocuments[BatchEndpoint, BatchDeployment],
) -> DropActivities:
    a = ground.adapters
    limits = DropLimits(
        quiet_period=settings.quiet_period,
        max_wait=settings.max_wait,
        max_files=settings.max_files,
        max_bytes=settings.max_bytes,
    )
    drops = DropStore(a.store, a.queue, a.clock, limits, ground.outbox)
    options = OptionFiles(a.blobs, OptionChecking(invocation))
    return DropActivities(
        dropping=BlobDropping(
            a.queue,
            a.clock,
            drops=drops,
            arrivals=DropArrivals(a.store, a.blobs, drops, options),
            options=options,
            capture=DropCapture(a.store, a.blobs),
            invocation=invocation,
        ),
        taken=TakenDrops(a.store, a.blobs, a.clock),
        open=OpenDrops(a.store, drops, documents),
    )
