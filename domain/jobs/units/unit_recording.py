"""Recording what became of a unit: once, together with the job's progress."""

import asyncio
import weakref
from collections.abc import Iterable, Mapping, Sequence

from domain.errors import DocumentNotFound, PreconditionFailed, StaleETag
from domain.ground.messages import BATCH_JOBS_QUEUE, MINI_BATCHES_QUEUE, AdvanceJob, ScoreUnit
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import Unit, UnitRecord
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_progress import Progress
from domain.jobs.records.job_store import StoredProgress, StoredUnit
from domain.ports import Message

Recorded = tuple[StoredUnit, UnitRecord]

_TRIES = 50
_TURN = 60.0
_REMEMBERED = 256


class RecordingContended(PreconditionFailed):
    code = "RecordingContended"


class UnitRecording:
    """A unit's record and the progress it brings stand in one transaction, which also takes
    the next units into the window. Their messages are sent after it; what a crash leaves
    unsent is found by its lease."""

    def __init__(self, ground: JobGround) -> None:
        self._jobs = ground.jobs
        self._queue = ground.queue
        self._clock = ground.clock
        self._times = ground.times
        # Of this process only: it spares conflicts, and nothing rests on it.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._last: dict[str, StoredProgress] = {}

    async def record(self, job: BatchJob, *units: Recorded, took: float = 0.0) -> None:
        """Whoever records a unit first wins; a job that is closed takes no more records.
        Several, whose records are small, are recorded together. They `took` so many seconds,
        with all that is not their scripts."""
        async with asyncio.timeout(_TURN), self._turn(job):
            done = await self._recorded(job, units, took)
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

    async def _recorded(
        self, job: BatchJob, units: Sequence[Recorded], took: float
    ) -> tuple[Progress, list[range]] | None:
        records = {stored.unit.ordinal: record for stored, record in units}
        attempts = {stored.unit.ordinal: stored.unit.attempt for stored, _ in units}
        found = [stored for stored, _ in units]
        # As this process left it last; where others have moved it on, the ETag tells.
        known = self._last.pop(job.name, None)
        for _ in range(_TRIES):
            guessed = known is not None
            progress = known or await self._jobs.progress(job.name)
            known = None
            if progress is None or progress.progress.closed:
                return None
            after, released = progress.progress.record(
                {ordinal: record.tally for ordinal, record in records.items()},
                sum(record.seconds for record in records.values()),
                self._clock.now().timestamp(),
                self._times,
                took=took,
            )
            writes = [progress.replaced(after)]
            for each in found:
                ordinal = each.unit.ordinal
                recorded = _as_recorded(each.unit, records[ordinal], attempts[ordinal])
                writes.append(each.replaced(recorded))
            try:
                document, *_ = await self._jobs.store.transact(
                    batch_job.partition(job.name), writes
                )
            except (StaleETag, DocumentNotFound):
                if guessed:
                    continue
                # Another record, a cancellation, or somebody who took a unit over: look
                # again. An attempt that was taken over is as good as its successor's.
                found = await self._unrecorded(job, records)
                records = {each.unit.ordinal: records[each.unit.ordinal] for each in found}
                if not found:
                    return None
                continue
            if document is not None and not after.is_over:
                self._remember(job.name, StoredProgress(after, document))
            return after, released
        raise RecordingContended(f"Units {sorted(records)} of job '{job.name}' found no turn.")

    async def _unrecorded(
        self, job: BatchJob, records: Mapping[int, UnitRecord]
    ) -> list[StoredUnit]:
        """Of the units of `records`, those that have no record, as they stand."""
        found = [await self._jobs.unit(job.name, ordinal) for ordinal in records]
        there = [each for each in found if each is not None]
        if any(each.unit.record == records[each.unit.ordinal] for each in there):
            # Maybe by this very call, whose answer got lost: what it released is unsent.
            await self.nudge(job.name, unsent=True)
        return [each for each in there if each.unit.record is None]


def _as_recorded(unit: Unit, record: UnitRecord, attempt: int) -> Unit:
    """`attempt` is the one that is recorded, which may not be the unit's newest."""
    return unit.but(record=record, parked=False, given_up=(), attempt=attempt)
