"""Recording what became of a unit: once, together with the job's progress."""

import asyncio
import weakref
from collections.abc import Iterable, Sequence

from domain.errors import DocumentNotFound, StaleETag
from domain.jobs import batch_job
from domain.jobs.batch_job import BatchJob
from domain.jobs.batch_progress import Progress
from domain.jobs.batch_times import BatchTimes
from domain.jobs.batch_unit import Unit, UnitRecord
from domain.jobs.job_store import JobStore, StoredProgress, StoredUnit
from domain.messages import BATCH_JOBS_QUEUE, MINI_BATCHES_QUEUE, AdvanceJob, ScoreUnit
from domain.ports import Clock, Message, ResourceStore, WorkQueue

Recorded = tuple[StoredUnit, UnitRecord]

_TRIES = 50
_TURN = 60.0
_REMEMBERED = 256


class RecordingContended(StaleETag):
    code = "RecordingContended"


class UnitRecording:
    """A unit's record and the progress it brings stand in one transaction, which also takes
    the next units into the window. Their messages are sent after it; what a crash leaves
    unsent is found by its lease."""

    def __init__(
        self, store: ResourceStore, queue: WorkQueue, clock: Clock, times: BatchTimes
    ) -> None:
        self._jobs = JobStore(store)
        self._queue = queue
        self._clock = clock
        self._times = times
        # Of this process only: it spares conflicts, and nothing rests on it.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._last: dict[str, StoredProgress] = {}

    async def record(self, job: BatchJob, *units: Recorded) -> None:
        """Whoever records a unit first wins; a job that is closed takes no more records.
        Several, whose records are small, are recorded together, or else one by one."""
        if len(units) > 1:
            async with asyncio.timeout(_TURN), self._turn(job):
                done = await self._recorded_together(job, units)
            if done is not None:
                await self._go_on(job, *done)
                return
        for each in units:
            async with asyncio.timeout(_TURN), self._turn(job):
                done = await self._recorded(job, *each)
            if done is not None:
                await self._go_on(job, *done)

    def _turn(self, job: BatchJob) -> asyncio.Lock:
        return self._turns.setdefault(job.name, asyncio.Lock())

    async def _go_on(self, job: BatchJob, progress: Progress, released: list[range]) -> None:
        if released:
            await self.send(job.name, released)
        if progress.is_over:
            await self.nudge(job.name)

    async def send(self, job: str, bundles: Iterable[range]) -> None:
        messages = [
            Message(ScoreUnit(job=job, unit=each.start, count=len(each)).to_document())
            for each in bundles
        ]
        await self._queue.send(MINI_BATCHES_QUEUE, *messages)

    async def nudge(self, job: str, *, unsent: bool = False) -> None:
        """Have the job looked at now. `unsent`: units may have been released and not sent."""
        message = AdvanceJob(job=job, unsent=unsent)
        await self._queue.send(BATCH_JOBS_QUEUE, Message(message.to_document()))

    def _remember(self, job: str, progress: StoredProgress) -> None:
        self._last[job] = progress
        if len(self._last) > _REMEMBERED:
            self._last.pop(next(iter(self._last)))

    async def _recorded_together(
        self, job: BatchJob, units: Sequence[Recorded]
    ) -> tuple[Progress, list[range]] | None:
        """None: not all of them can be recorded at once, and none is."""
        progress = self._last.pop(job.name, None) or await self._jobs.progress(job.name)
        if progress is None or progress.progress.closed:
            return None
        after, released = progress.progress.record(
            {stored.unit.ordinal: record.tally for stored, record in units},
            sum(record.seconds for _, record in units),
            self._clock.now().timestamp(),
            self._times,
        )
        writes = [stored.replaced(_as_recorded(stored.unit, record)) for stored, record in units]
        try:
            document, *_ = await self._jobs.store.transact(
                batch_job.partition(job.name), [progress.replaced(after), *writes]
            )
        except (StaleETag, DocumentNotFound):
            return None
        if document is not None and not after.is_over:
            self._remember(job.name, StoredProgress(after, document))
        return after, released

    async def _recorded(
        self, job: BatchJob, stored: StoredUnit, record: UnitRecord
    ) -> tuple[Progress, list[range]] | None:
        found: StoredUnit | None = stored
        # As this process left it last; where others have moved it on, the ETag tells.
        known = self._last.pop(job.name, None)
        for _ in range(_TRIES):
            progress = known or await self._jobs.progress(job.name)
            known = None
            if progress is None or progress.progress.closed:
                return None
            if found is None or found.unit.record is not None:
                if found is not None and found.unit.record == record:
                    # Maybe by this very call, whose answer got lost: what it released is unsent.
                    await self.nudge(job.name, unsent=True)
                return None
            unit = _as_recorded(found.unit, record, stored.unit.attempt)
            now = self._clock.now().timestamp()
            after, released = progress.progress.record(
                {unit.ordinal: record.tally}, record.seconds, now, self._times
            )
            try:
                document, _ = await self._jobs.store.transact(
                    batch_job.partition(job.name),
                    [progress.replaced(after), found.replaced(unit)],
                )
            except (StaleETag, DocumentNotFound):
                # Another record, a cancellation, or somebody who took the unit over: look
                # again. An attempt that was taken over is as good as its successor's.
                found = await self._jobs.unit(job.name, unit.ordinal)
                continue
            if document is not None and not after.is_over:
                self._remember(job.name, StoredProgress(after, document))
            return after, released
        raise RecordingContended(f"Unit {stored.unit.ordinal} of job '{job.name}' found no turn.")


def _as_recorded(unit: Unit, record: UnitRecord, attempt: int | None = None) -> Unit:
    """`attempt`: the one that is recorded, if it is not the unit's newest."""
    number = unit.attempt if attempt is None else attempt
    return unit.but(record=record, parked=False, given_up=(), attempt=number)
