"""When a failed mini-batch of a unit is bisected, and when its unit waits for that.

Only files can be at fault where another mini-batch of the job has succeeded. Until one has, the
unit is held: others go out in its place. What none succeeds beside is recorded as it failed.
"""

import logging
from dataclasses import dataclass

from domain.batch.mini_batch_bisection import Bisection
from domain.errors import DocumentNotFound, StaleETag
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import FailedMiniBatch, Unit
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_store import StoredProgress
from domain.jobs.units.unit_claiming import UnitClaiming
from domain.jobs.units.unit_outcomes import Ran
from domain.jobs.units.unit_recording import RecordingContended, UnitRecording
from domain.ports import MiniBatchResult, UnitOutcome

_log = logging.getLogger("ml_endpoints.batch")

_TRIES = 50


@dataclass(frozen=True)
class Further:
    """A unit that is not to be recorded yet. No unit: this delivery has nothing more to do."""

    unit: Unit | None


class UnitBisecting:
    def __init__(
        self, ground: JobGround, *, claiming: UnitClaiming, recording: UnitRecording
    ) -> None:
        self._jobs = ground.jobs
        self._clock = ground.clock
        self._times = ground.times
        self._claiming = claiming
        self._recording = recording

    def concerns(self, job: BatchJob, ran: Ran, outcome: UnitOutcome) -> bool:
        """Whether an attempt that ended with `outcome` need not be the unit's last."""
        return ran.unit.is_looking or bool(_suspects(job, ran, outcome))

    async def further(self, job: BatchJob, ran: Ran, outcome: UnitOutcome) -> Further | None:
        """How the unit goes on; None: it is to be recorded."""
        unit = ran.unit
        if unit.is_looking:
            learned = unit.learn(_told(ran, outcome), self._claiming.lease())
            if unit.tests or learned.is_looking:
                return Further(learned)
        suspects = _suspects(job, ran, outcome)
        if not suspects:
            return None
        if any(result.succeeded for result in outcome.results):
            return Further(self._bisected(job, ran, suspects))
        return await self._by_others(job, ran, outcome, suspects)

    def _bisected(self, job: BatchJob, ran: Ran, suspects: list[FailedMiniBatch]) -> Unit:
        is_unit = len(ran.files) == 1
        begun = {}
        for failed in suspects:
            files = len(ran.files[failed.ordinal])
            begun[failed.ordinal] = Bisection.of(files, failed.tries, is_unit=is_unit)
            _log.info(
                "Job %s, mini-batch %d failed: which of its %d files are bad is looked for: %s",
                job.name,
                failed.ordinal,
                files,
                failed.error,
                extra={"action": "mini_batch_bisected", "job": job.name, "unit": ran.unit.ordinal},
            )
        return ran.unit.bisect(begun, self._claiming.lease())

    async def _by_others(
        self, job: BatchJob, ran: Ran, outcome: UnitOutcome, suspects: list[FailedMiniBatch]
    ) -> Further | None:
        """As the job's other mini-batches have come out so far."""
        for _ in range(_TRIES):
            progress = await self._jobs.progress(job.name)
            if progress is None or progress.progress.closed:
                return Further(None)
            if progress.progress.tally.succeeded_mini_batches:
                return Further(self._bisected(job, ran, suspects))
            ordinal = ran.unit.ordinal
            is_given_up = ran.unit.held and ordinal not in progress.progress.held
            if is_given_up or not progress.progress.may_wait(ordinal):
                return None
            failed = ran.unit.give_up(*ran.unit.failed_in(outcome))
            if await self._hold(job, ran, failed, progress):
                return Further(None)
        raise RecordingContended(f"Unit {ran.unit.ordinal} of job '{job.name}' found no turn.")

    async def _hold(self, job: BatchJob, ran: Ran, failed: Unit, progress: StoredProgress) -> bool:
        """False: something has moved on; look again."""
        now = self._clock.now().timestamp()
        after, released = progress.progress.hold(failed.ordinal, now, self._times)
        writes = [progress.replaced(after), ran.stored.replaced(failed.hold(now))]
        try:
            await self._jobs.store.transact(batch_job.partition(job.name), writes)
        except (StaleETag, DocumentNotFound):
            found = await self._jobs.unit(job.name, failed.ordinal)
            if found is not None and found.document.etag == ran.stored.document.etag:
                return False
            # Taken over; or by this very call, whose answer got lost: what it released is unsent.
            await self._recording.nudge(job.name, unsent=True)
            return True
        if released:
            await self._recording.send(job.name, released)
        return True


def _suspects(job: BatchJob, ran: Ran, outcome: UnitOutcome) -> list[FailedMiniBatch]:
    """The failed mini-batches that may have good files, and have not been bisected."""
    if not job.settings.bisect_failures:
        return []
    unit = ran.unit
    return [
        failed
        for failed in (*unit.given_up, *unit.failed_in(outcome))
        if failed.ordinal not in unit.bisections and len(ran.files[failed.ordinal]) > 1
    ]


def _told(ran: Ran, outcome: UnitOutcome) -> list[MiniBatchResult]:
    """What became of each mini-batch; of which nothing was told, that it failed."""
    told = {result.ordinal for result in outcome.results}
    silent = [
        MiniBatchResult(ordinal, False, 0, 1, 0.0, "The worker gave no result for it.")
        for ordinal in ran.mini_batches
        if ordinal not in told
    ]
    return [*outcome.results, *silent]
