"""The workers of batch jobs. Where each of several hosts has a compute of its own, each asks its
own for workers of a job that it takes part in; one that they share is asked by each of them.
"""

from dataclasses import replace
from datetime import timedelta

from domain.batch.batch_workloads import BatchWorkloads
from domain.errors import Throttled
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_store import JobStore
from domain.ports import (
    BlobFolder,
    Observation,
    Workers,
    WorkloadState,
)

OUT_OF_QUOTA = "OutOfQuota"
_AT_ONCE = timedelta(0)
_KEY_PREFIX = batch_job.workload_key("")


class JobWorkers:
    """Asked for when somebody needs them, and taken away when their job is over."""

    def __init__(self, jobs: JobStore, workers: Workers, workloads: BatchWorkloads) -> None:
        self._jobs = jobs
        self._workers = workers
        self._workloads = workloads

    async def find(self, job: BatchJob) -> Observation | None:
        """What the compute shows of the job's workers; it is asked for them if it knows
        nothing of them. None: other jobs hold the compute now; this one's turn comes."""
        # Asking again for what has failed would set it going anew.
        seen = await self._workers.observe(job.workload_key) or await self._ensure(job)
        refused = seen.state is WorkloadState.FAILED and seen.code == OUT_OF_QUOTA
        if refused and await self._is_shared(job):
            await self._workers.remove(job.workload_key, grace=_AT_ONCE)
            return None
        return seen

    async def join(self, job: BatchJob) -> bool:
        """Have workers for one of the job's units. False: the job runs no more. Raises
        Throttled when other jobs hold the compute."""
        if await self._workers.observe(job.workload_key) is not None:
            return True
        if await self.find(job) is None:
            raise Throttled(f"Other jobs hold the compute that job '{job.name}' needs here.")
        # Whoever ends the job says so before it takes the workers away: these go too.
        found = await self._jobs.job(job.name)
        if found is not None and found.job.status is JobStatus.RUNNING:
            return True
        await self._workers.remove(job.workload_key, grace=_AT_ONCE)
        return False

    async def clear(self) -> None:
        """Take away the workers of jobs that are over or gone: another host may have ended
        them."""
        for key in await self._workers.keys():
            if not key.startswith(_KEY_PREFIX):
                continue
            found = await self._jobs.job(key.removeprefix(_KEY_PREFIX))
            if found is None or found.job.status.is_terminal:
                await self._workers.remove(key, grace=_AT_ONCE)

    async def _is_shared(self, job: BatchJob) -> bool:
        """Whether other jobs hold some of the compute now."""
        keys = set(await self._workers.keys()) - {job.workload_key}
        return any(key.startswith(_KEY_PREFIX) for key in keys)

    async def _ensure(self, job: BatchJob) -> Observation:
        workload = await self._workloads.of_job(
            job.settings, key=job.workload_key, worker_processes=job.workers
        )
        # Whoever names a folder for its scripts' own files shares its workers with nobody.
        output = None if job.writes_rows else BlobFolder(job.output.container, job.output.folder)
        return await self._workers.ensure(replace(workload, output=output))
