"""Looking at batch jobs, canceling and deleting them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.errors import Conflict, DocumentNotFound, NotFound, StaleETag
from domain.ground.driving.driver import GRACE, RACES
from domain.ground.driving.fence import taken_over
from domain.ground.messages import BATCH_JOBS_QUEUE
from domain.ground.operation import Operation, Operations
from domain.jobs import job_deletion
from domain.jobs.job_change import JobChange
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import BatchJob, message_for
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_operations import started_cancellation
from domain.jobs.records.job_pace import Pace
from domain.jobs.records.job_progress import Progress
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_store import StoredJob
from domain.names import WorkspaceScope
from domain.ports import Message, Write

_PAGE = 100


@dataclass(frozen=True)
class JobView:
    """A job and how far it is; no progress before it is planned. `pace` is known of a job
    that runs; `at` is when it was looked at."""

    job: BatchJob
    progress: Progress | None
    etag: str
    at: datetime
    pace: Pace | None


@dataclass(frozen=True)
class JobChoice:
    """Which jobs a list has: of one endpoint, of one of its deployments, in one status and with
    one tag, where told; `is_archived` None: both those that are and those that are not."""

    endpoint: str | None = None
    deployment: str | None = None
    status: JobStatus | None = None
    tag: str | None = None
    is_archived: bool | None = False

    @property
    def where(self) -> dict[str, str | int | bool]:
        """What the store can choose by."""
        where: dict[str, str | int | bool] = {}
        if self.endpoint is not None:
            where["endpoint"] = self.endpoint.casefold()
        if self.status is not None:
            where["status"] = self.status.value
        return where

    def fits(self, job: BatchJob) -> bool:
        """Of the jobs that the store has chosen."""
        return (
            self.is_archived in (None, job.is_archived)
            and (self.deployment is None or _same(self.deployment, job.deployment))
            and (self.tag is None or _has(job, self.tag))
        )


_RUNNING = JobChoice(status=JobStatus.RUNNING, is_archived=None)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _has(job: BatchJob, tag: str) -> bool:
    """A name, or `name=value`."""
    name, equals, value = tag.partition("=")
    return name in job.tags and (not equals or job.tags[name] == value)


class BatchJobs:
    def __init__(self, ground: JobGround, scope: WorkspaceScope) -> None:
        self._jobs = ground.jobs
        self._store = ground.store
        self._queue = ground.queue
        self._blobs = ground.blobs
        self._clock = ground.clock
        self._scope = scope

    def arm_id(self, name: str) -> str:
        return self._scope.path("jobs", name)

    async def get(self, name: str, *, endpoint: str | None = None) -> JobView:
        """Raises NotFound, also for a job of another endpoint than asked for."""
        stored = await self._stored(name)
        if endpoint is not None and stored.job.endpoint.casefold() != endpoint.casefold():
            raise _not_found(name)
        return await self._view(stored)

    async def list(
        self, top: int, continuation: str | None, chosen: JobChoice
    ) -> tuple[list[JobView], str | None]:
        """By name. A job whose status changes while pages are read may be missed, and a page of
        few chosen ones may be short, or empty, before the last."""
        found, more = await self._page(top, continuation, chosen)
        return [await self._view(s) for s in found], more

    async def running(self) -> Sequence[BatchJob]:
        """All that run now."""
        page, more = await self._page(_PAGE, None, _RUNNING)
        found = [each.job for each in page]
        while more is not None:
            page, more = await self._page(_PAGE, more, _RUNNING)
            found += [each.job for each in page]
        return found

    async def _page(
        self, top: int, continuation: str | None, chosen: JobChoice
    ) -> tuple[Sequence[StoredJob], str | None]:
        page = await self._store.query(
            batch_job.KIND, where=chosen.where, page_size=top, continuation=continuation
        )
        stored = [StoredJob(batch_job.from_document(d), d) for d in page.documents]
        return [each for each in stored if chosen.fits(each.job)], page.continuation

    async def change(self, name: str, change: JobChange) -> JobView:
        """In whatever status it is, and without disturbing it. Raises NotFound, Conflict."""
        for _ in range(RACES):
            stored = await self._stored(name)
            changed = change.of(stored.job)
            if changed == stored.job:
                return await self._view(stored)
            write = stored.replaced(changed, stored.document.due_at)
            try:
                [document] = await self._store.transact(stored.document.partition, [write])
            except (StaleETag, DocumentNotFound):
                continue
            return await self._view(StoredJob(changed, document))
        raise Conflict(f"Job '{name}' moves too fast to be changed. Try again.")

    async def cancel(self, name: str) -> Operation:
        """No further mini-batch is started, those that run are given up. The operation ends
        when the job is Canceled. Raises Conflict for a job that cannot be canceled any more."""
        for _ in range(RACES):
            stored = await self._stored(name)
            job = stored.job
            if job.status is JobStatus.CANCEL_REQUESTED and job.cancel_operation_id:
                return await Operations(self._store).get(job.cancel_operation_id)
            if not job.status.can_be_canceled:
                raise Conflict(
                    f"Job '{job.name}' is {job.status.value}; it cannot be canceled any more.",
                    code="JobNotCancelable",
                )
            operation, create = started_cancellation(job, self.arm_id(name), self._clock.now())
            moved = job.moved(JobStatus.CANCEL_REQUESTED, self._clock.now())
            moved = taken_over(moved.but(cancel_operation_id=operation.id))
            due_at = self._clock.now().timestamp() + GRACE
            writes: list[Write] = [stored.replaced(moved, due_at), create]
            progress = await self._jobs.progress(name)
            if progress is not None:
                writes.append(progress.replaced(progress.progress.close()))
            try:
                await self._store.transact(stored.document.partition, writes)
            except (StaleETag, DocumentNotFound):
                continue
            await self._queue.send(BATCH_JOBS_QUEUE, Message(message_for(moved).to_document()))
            return operation
        raise Conflict(f"Job '{name}' changes too fast to be canceled. Try again.")

    async def delete(self, name: str) -> bool:
        """Remove an ended job's documents and plan; what it wrote stays. False if there is
        no such job. Raises Conflict while it runs."""
        for _ in range(RACES):
            stored = await self._jobs.job(name)
            if stored is None:
                return False
            job = stored.job
            if not (job.status.is_terminal and job.released):
                raise Conflict(
                    f"Job '{job.name}' is {job.status.value}; cancel it, or wait for its end.",
                    code="JobNotEnded",
                )
            marked = taken_over(job.but(deleting=True))
            due_at = self._clock.now().timestamp() + GRACE
            write = stored.replaced(marked, due_at)
            try:
                await self._store.transact(stored.document.partition, [write])
            except (StaleETag, DocumentNotFound):
                continue
            await job_deletion.purge(self._store, self._blobs, replace(stored, job=marked))
            return True
        raise Conflict(f"Job '{name}' changes too fast to be deleted. Try again.")

    async def _stored(self, name: str) -> StoredJob:
        stored = await self._jobs.job(name) if len(name) <= 255 else None
        if stored is None or stored.job.deleting:
            raise _not_found(name)
        return stored

    async def _view(self, stored: StoredJob) -> JobView:
        found = await self._jobs.progress(stored.job.name)
        progress, now = found.progress if found else None, self._clock.now()
        running = progress is not None and stored.job.status is JobStatus.RUNNING
        pace = progress.pace(now.timestamp()) if progress and running else None
        return JobView(stored.job, progress, stored.document.etag, now, pace)


def _not_found(name: str) -> NotFound:
    return NotFound(f"Job '{name[:100]}' was not found.")
