"""What every step of a job stands on."""

from dataclasses import dataclass

from domain.ground.outbox import Outbox
from domain.jobs.records.job_store import JobStore
from domain.jobs.records.job_times import JobTimes
from domain.ports import BlobStore, Clock, ResourceStore, WorkQueue


@dataclass(frozen=True)
class JobGround:
    jobs: JobStore
    queue: WorkQueue
    blobs: BlobStore
    clock: Clock
    outbox: Outbox
    times: JobTimes

    @property
    def store(self) -> ResourceStore:
        return self.jobs.store
