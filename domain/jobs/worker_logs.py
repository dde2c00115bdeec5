"""What the workers of a job print, and how they came about."""

from collections.abc import Mapping
from typing import Final

from domain.errors import BlobNotFound
from domain.ground.logs.log_following import Tail
from domain.jobs.batch_jobs import BatchJobs
from domain.jobs.finishing.job_reports import ENVIRONMENT_LOG, WORKERS_LOG
from domain.jobs.records.batch_job import BatchJob
from domain.ports import BlobStore, LogKind, Workers

_KEPT_AT: Final[Mapping[LogKind, str]] = {
    LogKind.INFERENCE_SERVER: WORKERS_LOG,
    LogKind.STORAGE_INITIALIZER: ENVIRONMENT_LOG,
}
"""Once the workers are gone."""


class WorkerLogs:
    """As the compute has them while there are workers, then as they were kept. Where every host
    has workers of its own, a host has what its own print."""

    def __init__(self, jobs: BatchJobs, blobs: BlobStore, workers: Workers) -> None:
        self._jobs = jobs
        self._blobs = blobs
        self._workers = workers

    async def of(self, name: str, kind: LogKind) -> Tail:
        """Raises NotFound."""
        job = (await self._jobs.get(name)).job

        async def tail(lines: int) -> str:
            text = await self._workers.logs(job.workload_key, kind, tail=lines)
            return text or "\n".join((await self._kept(job, kind)).splitlines()[-lines:])

        return tail

    async def _kept(self, job: BatchJob, kind: LogKind) -> str:
        place = job.output.container, f"{job.logs_folder}/{_KEPT_AT[kind]}"
        try:
            return b"".join([p async for p in self._blobs.read(*place)]).decode(errors="replace")
        except BlobNotFound:
            return ""
