"""A batch job on its way from saved to ended, one step at a time.

It goes by the driver of domain/ground/driving, from one `AdvanceJob` message to the next; a nudge
has it looked at beside.
"""

import asyncio
import logging
import weakref
from dataclasses import replace
from functools import partial

from domain.errors import DocumentNotFound, DomainError, Throttled, Unavailable
from domain.ground.driving.driver import Driving, Step
from domain.ground.messages import BATCH_JOBS_QUEUE, AdvanceJob
from domain.ground.operation import ErrorRecord
from domain.jobs import job_deletion, job_usage
from domain.jobs.finishing import job_telling
from domain.jobs.finishing.job_reports import JobReports
from domain.jobs.job_finalizing import JobFinalizing, Unfinished
from domain.jobs.planning.job_planning import JobPlanning, progress_of
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import BatchJob, Ending, ending_of, message_for
from domain.jobs.records.job_facts import job_moved
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_operations import ended_cancellation
from domain.jobs.records.job_overview import told
from domain.jobs.records.job_progress import Progress
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_store import StoredJob, StoredProgress
from domain.jobs.retrying.retry_planning import RetryPlanning
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.unit_recording import UnitRecording
from domain.ports import (
    Create,
    Document,
    Observation,
    WorkloadState,
    Write,
)

_log = logging.getLogger("ml_endpoints.batch")
_S = JobStatus


class JobSupervision:
    """`advance` may be called with any message at any time: it does what the stored state
    leaves to be done. `units_ahead`: jobs have twice as many units in flight as workers. A
    compute lets no more run than they have workers; two, each of a host's own, know nothing of
    each other."""

    queue = BATCH_JOBS_QUEUE

    def __init__(
        self,
        ground: JobGround,
        *,
        planning: JobPlanning,
        retry_planning: RetryPlanning,
        workers: JobWorkers,
        recording: UnitRecording,
        reports: JobReports,
        finalizing: JobFinalizing,
        units_ahead: bool,
    ) -> None:
        self._jobs = ground.jobs
        self._store = ground.store
        self._blobs = ground.blobs
        self._clock = ground.clock
        self._outbox = ground.outbox
        self._times = ground.times
        self._planning = planning
        self._retry_planning = retry_planning
        self._workers = workers
        self._recording = recording
        self._reports = reports
        self._finalizing = finalizing
        self._units_ahead = units_ahead
        self._driving = Driving(self, ground.queue, ground.clock)
        # Of this process only: it spares double work, and nothing rests on it.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def advance(self, message: AdvanceJob, *, redelivered: bool = False) -> None:
        """Take the job's next step."""
        turn = self._turns.setdefault(message.job, asyncio.Lock())
        async with asyncio.timeout(self._times.plan_lease), turn:
            await self._driving.go_on(message, redelivered=redelivered)

    async def resume(self, document: Document) -> None:
        """Take over a job of which nobody has given a sign of life. Raises StaleETag."""
        await self._driving.resume(document)

    # -- what is driven -----------------------------------------------------------------

    @property
    def grace(self) -> float:
        return self._times.grace

    async def find(self, message: AdvanceJob) -> Document | None:
        stored = await self._jobs.job(message.job)
        return stored.document if stored else None

    def read(self, document: Document) -> BatchJob:
        return self._jobs.read(document).job

    async def step(
        self, state: BatchJob, document: Document, message: AdvanceJob
    ) -> Step[BatchJob] | None:
        step = await self._step(StoredJob(state, document), message.unsent)
        return step and replace(step, told=job_moved(state, step.state))

    async def save(self, document: Document, step: Step[BatchJob], due_at: float | None) -> None:
        before, job = self.read(document), step.state
        write = StoredJob(before, document).replaced(job, due_at)
        await self._outbox.transact(document.partition, [write, *step.beside], step.told)
        if job.status is not before.status:
            _log.info(
                "Job %s is %s%s",
                job.name,
                job.status.value,
                f": {job.error.message}" if job.error else "",
                extra={
                    "action": "job_status",
                    "endpoint": job.endpoint,
                    "deployment": job.deployment,
                    "job": job.name,
                    "status": job.status.value,
                },
            )
            if job.status.is_terminal:
                job_telling.tell(job)

    def message(self, state: BatchJob, before: AdvanceJob | None) -> AdvanceJob:
        return message_for(state).but(unsent=before is None)

    def pause(self, state: BatchJob) -> float:
        return 0.0

    # -- steps --------------------------------------------------------------------------

    async def _step(self, stored: StoredJob, unsent: bool) -> Step[BatchJob] | None:
        job = stored.job
        if job.deleting:
            await job_deletion.purge(self._store, self._blobs, stored)
            return None
        match job.status:
            case _S.NOT_STARTED:
                moved = job.moved(_S.PREPARING, self._clock.now())
                return Step(moved, 0.0, lease=self._times.plan_lease)
            case _S.PREPARING:
                return await self._plan(job)
            case _S.QUEUED:
                return await self._start(job)
            case _S.RUNNING:
                return await self._watch(job, unsent)
            case _S.FINALIZING | _S.CANCEL_REQUESTED:
                return await self._finish(job)
            case _:
                return await self._release(job)

    async def _plan(self, job: BatchJob) -> Step[BatchJob]:
        limit = self._times.plan_limit
        try:
            if job.retry is None:
                plan = await self._planning.plan(job, limit=limit)
            else:
                plan = await self._retry_planning.plan(job, job.retry, limit=limit)
        except (Unavailable, Throttled):
            raise
        except DomainError as error:
            return self._failed_early(job, error)
        progress = batch_job.progress_body(progress_of(job, plan, ahead=self._units_ahead))
        create = Create(batch_job.PROGRESS_ID, progress)
        planned = job.moved(_S.QUEUED, self._clock.now()).but(plan=plan)
        return Step(planned, 0.0, beside=(create,))

    def _failed_early(self, job: BatchJob, error: DomainError) -> Step[BatchJob]:
        record = ErrorRecord(code=error.code, message=error.message, target=error.target)
        return Step(job.moved(_S.FAILED, self._clock.now(), record), 0.0)

    async def _start(self, job: BatchJob) -> Step[BatchJob]:
        try:
            observation = await self._workers.find(job)
        except (Unavailable, Throttled):
            raise
        except DomainError as error:
            return self._failed_early(job, error)
        if observation is None:
            return Step(job, self._times.quota_pause)
        if observation.state is WorkloadState.FAILED:
            return self._finalize(job, Ending(error=_compute_error(observation)))
        if observation.state is not WorkloadState.READY and observation.ready == 0:
            return Step(job, self._times.compute_pause(job.tick))
        stored = await self._progress(job)
        opened, units = stored.progress.open(self._now(), self._times)
        running = job.moved(_S.RUNNING, self._clock.now())
        return Step(
            running,
            self._times.supervise_every,
            beside=(stored.replaced(opened),),
            then=partial(self._recording.send, job.name, tuple(units)),
        )

    async def _watch(self, job: BatchJob, unsent: bool) -> Step[BatchJob]:
        stored = await self._progress(job)
        progress = stored.progress
        if progress.is_over:
            return self._finalize(job, ending_of(progress))
        # Asked for anew where nothing is known of them: after a restart, or on another host.
        observation = await self._workers.find(job)
        if observation is not None and observation.state is WorkloadState.FAILED:
            ended = Ending(error=_compute_error(observation))
            closed = stored.replaced(progress.close())
            return replace(self._finalize(job, ended), beside=(closed,))
        if job.tick % self._times.report_looks == 0:
            await self._report(job, progress)
        after, units = await self._overdue(job, stored, unsent)
        beside = () if after is None else (after,)
        then = partial(self._recording.send, job.name, units) if units else None
        return Step(job, self._times.supervise_every, beside=beside, then=then)

    async def _report(self, job: BatchJob, progress: Progress) -> None:
        now = self._clock.now()
        await self._reports.write_overview(job, progress, job.status, now)
        _log.info(
            "Job %s: %s",
            job.name,
            told(progress, now),
            extra={"action": "job_progress", "job": job.name},
        )

    async def _overdue(
        self, job: BatchJob, stored: StoredProgress, unsent: bool
    ) -> tuple[Write | None, tuple[range, ...]]:
        """Which units are to be sent again: those whose lease is over and which nobody is
        at, and with `unsent` all of which that is so by their own documents. The others get
        the lease of whoever is at them."""
        now = self._now()
        leases: dict[int, float] = {}
        lost: list[int] = []
        in_flight = stored.progress.in_flight
        for ordinal in in_flight if unsent else stored.progress.overdue(now):
            found = await self._jobs.unit(job.name, ordinal)
            if found is None or found.unit.lease_until <= now:
                lost.append(ordinal)
            elif found.unit.lease_until != in_flight[ordinal].lease_until:
                # Shorter, too: it may have been parked since somebody was last seen at it.
                leases[ordinal] = found.unit.lease_until
        if not leases and not lost:
            return None, ()
        after = stored.progress.lease(leases).resend(lost, now, self._times)
        return stored.replaced(after), tuple(range(unit, unit + 1) for unit in lost)

    def _finalize(self, job: BatchJob, ending: Ending) -> Step[BatchJob]:
        moved = job.moved(_S.FINALIZING, self._clock.now()).but(ending=ending)
        return Step(moved, 0.0, lease=self._times.plan_lease)

    async def _finish(self, job: BatchJob) -> Step[BatchJob]:
        canceled = job.status is _S.CANCEL_REQUESTED
        gone = False
        if canceled:
            gone = await self._finalizing.release(job)
            if not gone:
                return Step(job, self._times.compute_pause(job.tick))
        stored = await self._jobs.progress(job.name)
        beside: tuple[Write, ...] = ()
        error = job.ending.error if job.ending else None
        status = _S.CANCELED
        if stored is not None:
            ended = await self._finalizing.finish(job, stored.progress, error)
            if isinstance(ended, Unfinished):
                more = job.but(joined=ended.joined)
                return Step(more, self._times.between_slices, lease=self._times.plan_lease)
            status, error = ended.status, ended.error
            beside = (stored.replaced(ended.progress.close()),)
        if canceled:
            beside += await ended_cancellation(self._store, job, self._clock.now())
        if stored is not None:
            # The last: a save that is made twice fails at what is replaced, not at what is there.
            now, keep = self._clock.now(), self._times.usage_kept
            beside += (job_usage.kept(job, stored.progress, now, keep),)
        if not gone and not job.writes_rows:
            # What its workers write on their way out belongs to the output.
            gone = await self._finalizing.release(job)
        moved = job.moved(status, self._clock.now(), error).but(released=gone)
        return Step(moved, None if gone else 0.0, beside=beside)

    async def _release(self, job: BatchJob) -> Step[BatchJob]:
        """What is left to do for a job that has ended."""
        if job.released:
            return Step(job, None)
        gone = await self._finalizing.release(job)
        if not gone:
            return Step(job, self._times.compute_pause(job.tick))
        return Step(job.but(released=True), None)

    async def _progress(self, job: BatchJob) -> StoredProgress:
        stored = await self._jobs.progress(job.name)
        if stored is None:
            raise DocumentNotFound(f"Job '{job.name}' has no progress.")
        return stored

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _compute_error(observation: Observation) -> ErrorRecord:
    return ErrorRecord(
        code=observation.code or "ComputeFailed",
        message=observation.reason or "The compute failed and gave no reason.",
    )
