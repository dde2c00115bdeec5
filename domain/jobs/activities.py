"""What is done with batch jobs, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.ground.driving.sweeping import Resume
from domain.jobs.batch_jobs import BatchJobs
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.job_logs import JobLogs
from domain.jobs.job_retention import JobRetention
from domain.jobs.job_supervision import JobSupervision
from domain.jobs.records import batch_job
from domain.jobs.results.job_results import JobResults
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.unit_delivery import UnitDelivery
from domain.jobs.worker_logs import WorkerLogs


@dataclass(frozen=True)
class JobActivities:
    invocation: JobInvocation
    collection: BatchJobs
    supervision: JobSupervision
    units: UnitDelivery
    workers: JobWorkers
    retention: JobRetention
    logs: JobLogs
    worker_logs: WorkerLogs
    results: JobResults

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return {batch_job.KIND: self.supervision.resume}
