"""Blobs that land in the inbox, and become jobs."""

from domain.drops.activities import DropActivities
from domain.drops.blob_dropping import BlobDropping
from domain.drops.drop_limits import DropLimits
from domain.drops.taken_drops import TakenDrops
from domain.jobs.invoking.job_invocation import JobInvocation
from infra.composition.ground import Ground
from infra.settings.features import DropSettings


def compose_drops(
    ground: Ground, settings: DropSettings, *, invocation: JobInvocation
) -> DropActivities:
    a = ground.adapters
    return DropActivities(
        dropping=BlobDropping(
            a.store,
            a.queue,
            a.blobs,
            a.clock,
            invocation=invocation,
            limits=DropLimits(
                settings.quiet_period,
                settings.max_wait,
                settings.max_files,
                settings.max_bytes,
            ),
            outbox=ground.outbox,
        ),
        taken=TakenDrops(a.store, a.blobs, a.clock),
    )
