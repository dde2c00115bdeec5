"""What the steps of a job stand on, as the composed app has it."""

from domain.events.subscribers import Subscribers
from domain.figures.fact_figures import FactFigures
from domain.ground.counting.tally import Tally
from domain.ground.outbox import Outbox
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_store import JobStore
from domain.jobs.records.job_times import JobTimes
from domain.ports import BlobStore, Clock, ResourceStore, WorkQueue


def job_ground(
    store: ResourceStore,
    queue: WorkQueue,
    blobs: BlobStore,
    clock: Clock,
    times: JobTimes | None = None,
) -> JobGround:
    facts = outbox(store, queue, clock)
    return JobGround(JobStore(store), queue, blobs, clock, facts, times or JobTimes())


def outbox(store: ResourceStore, queue: WorkQueue, clock: Clock) -> Outbox:
    """Saves the facts that a subscription in `store` asks for."""
    return Outbox(store, queue, clock, Subscribers(store, clock).wanted, FactFigures(Tally()).saved)
