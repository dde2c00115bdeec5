"""Removing jobs that ended long ago: their documents, plans and logs. Their results stay."""

import logging
from datetime import datetime, timedelta

from domain.errors import Conflict, DocumentNotFound, StaleETag
from domain.jobs.batch_jobs import BatchJobs
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_status import JobStatus

_PAGE = 100
_ENDED = tuple(status for status in JobStatus if status.is_terminal)
_log = logging.getLogger("ml_endpoints.batch")


class JobRetention:
    """`keep` is how long an ended job is kept; None: for good."""

    def __init__(self, ground: JobGround, jobs: BatchJobs, *, keep: timedelta | None) -> None:
        self._store = ground.store
        self._blobs = ground.blobs
        self._clock = ground.clock
        self._jobs = jobs
        self._keep = keep

    async def expire(self, *, limit: int = 1000) -> int:
        """Remove up to `limit` jobs that are past their time, and say how many. What a crash
        cuts off is found again."""
        if self._keep is None:
            return 0
        before, removed = self._clock.now() - self._keep, 0
        for status in _ENDED:
            continuation = None
            while True:
                page = await self._store.query(
                    batch_job.KIND,
                    where={"status": status.value},
                    page_size=_PAGE,
                    continuation=continuation,
                )
                for document in page.documents:
                    if removed >= limit:
                        return removed
                    removed += await self._expired(batch_job.from_document(document), before)
                continuation = page.continuation
                if continuation is None:
                    break
        return removed

    async def _expired(self, job: BatchJob, before: datetime) -> bool:
        if not job.released or job.deleting or job.ended_at is None or job.ended_at > before:
            return False
        container = job.output.container
        async for blob in self._blobs.list(container, f"{job.logs_folder}/"):
            await self._blobs.delete(container, blob.name)
        try:
            deleted = await self._jobs.delete(job.name)
        except (Conflict, StaleETag, DocumentNotFound):
            return False  # Somebody else is at it.
        _log.info(
            "Job %s ended at %s and was removed",
            job.name,
            job.ended_at.isoformat(),
            extra={"action": "job_expired", "job": job.name},
        )
        return deleted
