"""Scoring one unit of a batch job that this delivery has claimed: its mini-batches run on a
worker, what became of them recorded once.

The worker writes the rows as a block of the output; no row passes through here. Faults of
inputs and scripts are recorded and the delivery ends well; anything unexpected is raised, so
that the queue delivers again and the next delivery takes the unit over.
"""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from domain.errors import DocumentNotFound, StaleETag, Throttled, Unavailable
from domain.ground.messages import MINI_BATCHES_QUEUE, ScoreUnit
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_plan import Plan
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_store import StoredUnit
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.mini_batch_parts import together
from domain.jobs.units.unit_bisecting import UnitBisecting
from domain.jobs.units.unit_claiming import UnitClaiming
from domain.jobs.units.unit_inputs import Files, UnitInputs
from domain.jobs.units.unit_outcomes import Ran, record_of, record_of_given_up
from domain.jobs.units.unit_recording import UnitRecording
from domain.ports import Message, UnitOutcome, UnitRequest, Workers

_log = logging.getLogger("ml_endpoints.batch")


class UnitScoring:
    def __init__(
        self,
        ground: JobGround,
        workers: Workers,
        *,
        job_workers: JobWorkers,
        claiming: UnitClaiming,
        recording: UnitRecording,
        bisecting: UnitBisecting,
    ) -> None:
        self.inputs = UnitInputs(ground.blobs)
        self._jobs = ground.jobs
        self._queue = ground.queue
        self._blobs = ground.blobs
        self._workers = workers
        self._clock = ground.clock
        self._times = ground.times
        self._job_workers = job_workers
        self._claiming = claiming
        self._recording = recording
        self._bisecting = bisecting

    async def run(self, job: BatchJob, plan: Plan, stored: StoredUnit) -> None:
        """To its record, or to where it must wait. Raises Unavailable and Throttled for what
        may pass: `postpone` it then."""
        if not await self._job_workers.join(job):
            return
        deadline = time.monotonic() + self._times.wait_limit
        files = await self.inputs.files(job, plan, stored.unit.ordinal)
        after: StoredUnit | None = stored
        while after is not None:
            request = await self.request(job, plan, after, files)
            ran = await self.attempt(job, after, files, request, deadline)
            after = await self.conclude(job, ran)

    async def begin(self, job: BatchJob, requests: Sequence[UnitRequest]) -> None:
        """Each of these is attempted next, one after the other."""
        await self._workers.begin_units(job.workload_key, requests)

    async def attempt(
        self,
        job: BatchJob,
        stored: StoredUnit,
        files: Files,
        request: UnitRequest,
        deadline: float,
    ) -> Ran:
        """Run the unit's attempt, or go on with it, until `deadline` of the monotonic clock."""
        outcome: UnitOutcome | None = UnitOutcome(results=())
        began = time.monotonic()
        if request.mini_batches:
            wait = max(0.0, deadline - began)
            outcome = await self._workers.run_unit(job.workload_key, request, wait=wait)
        took = time.monotonic() - began
        if outcome is None:
            return Ran(stored, files, request, None, took)
        merged, parts = together(request, outcome)
        return Ran(stored, files, request, merged, took, parts)

    def is_last(self, job: BatchJob, ran: Ran) -> bool:
        """Whether nothing but the unit's record is left to be made."""
        outcome = ran.outcome
        if outcome is None or outcome.lost is not None:
            return False
        return not self._bisecting.concerns(job, ran, outcome)

    async def conclude(self, job: BatchJob, ran: Ran) -> StoredUnit | None:
        """Record what became of the attempt, or leave it waiting. The unit for its next
        attempt, if there is to be one at once."""
        stored, outcome = ran.stored, ran.outcome
        if outcome is None:
            pause = self._times.wait_again * 1.3 ** min(stored.unit.waits, 6)
            await self.park(job, stored, pause, self._workers.holder)
            return None
        if outcome.lost is not None:
            return await self._lose(job, stored, outcome)
        further = await self._bisecting.further(job, ran, outcome)
        if further is not None:
            if further.unit is None:
                return None
            return await self._replaced(job, stored, further.unit)
        await self._recording.record(job, (stored, record_of(ran, outcome)), took=ran.took)
        return None

    async def give_up(self, job: BatchJob, plan: Plan, stored: StoredUnit) -> None:
        """Record it as failed, whatever it may hold."""
        files = await self.inputs.files(job, plan, stored.unit.ordinal)
        await self._recording.record(job, (stored, record_of_given_up(stored.unit, files)))

    async def postpone(
        self, job: BatchJob, stored: StoredUnit, error: Unavailable | Throttled
    ) -> bool:
        """After a fault that may pass, which is neither a try nor a crash; unless another
        delivery has it by now. False: it has a record already, and what that released may be
        unsent."""
        ordinal = stored.unit.ordinal
        _log.warning(
            "Job %s, unit %d waits: %s",
            job.name,
            ordinal,
            error,
            extra={"action": "unit_waits", "job": job.name, "unit": ordinal},
        )
        current = await self._jobs.unit(job.name, ordinal)
        if current is None or current.unit.record is not None:
            return current is None
        if current.unit.claimed_by == stored.unit.claimed_by:
            unit = current.unit.next_attempt(self._claiming.lease())
            pause = min(30.0, max(error.retry_after, self._times.wait_again))
            await self.park(job, StoredUnit(unit, current.document), pause)
        return True

    async def park(
        self, job: BatchJob, stored: StoredUnit, pause: float, holder: str | None = None
    ) -> None:
        """Save how far it is, and come back after `pause` seconds, to `holder` where the attempt
        goes on there alone."""
        until = self._clock.now().timestamp() + pause + self._times.release_lease
        parked = await self._replaced(job, stored, stored.unit.park(until, holder))
        if parked is not None:
            await self._come_back(job, parked.unit, pause)

    async def come_back(self, job: BatchJob, parked: Unit) -> None:
        """What `park` sends, once more: it may have saved and not sent. What is sent twice
        does nothing the second time."""
        at = parked.lease_until - self._times.release_lease
        await self._come_back(job, parked, max(0.0, at - self._clock.now().timestamp()))

    async def _come_back(self, job: BatchJob, unit: Unit, pause: float) -> None:
        message = ScoreUnit(job=job.name, unit=unit.ordinal, attempt=unit.attempt, waits=unit.waits)
        await self.send(message, pause)

    async def send(self, message: ScoreUnit, pause: float) -> None:
        delay = timedelta(seconds=pause)
        await self._queue.send(MINI_BATCHES_QUEUE, Message(message.to_document(), delay=delay))

    async def request(
        self, job: BatchJob, plan: Plan, stored: StoredUnit, files: Files
    ) -> UnitRequest:
        """What a worker is told of the unit's attempt."""
        unit = stored.unit
        retries = job.settings.retry_settings
        mini_batches = await self.inputs.lent(plan, unit, files, retries.max_retries)
        block_url = None
        if job.writes_rows and mini_batches:
            path = job.rows_path(unit.ordinal)
            block_url = await self._blobs.lend_block(job.output.container, path, unit.block_id)
        return UnitRequest(
            attempt_id=unit.attempt_id(job.name),
            mini_batches=mini_batches,
            timeout=retries.timeout,
            output_format=job.output_format,
            block_url=block_url,
            provenance=job.settings.provenance_columns,
            resumed=unit.waits > 0,
        )

    async def _lose(
        self, job: BatchJob, stored: StoredUnit, outcome: UnitOutcome
    ) -> StoredUnit | None:
        """The unit for its next attempt; None when this delivery has nothing more to do."""
        found = await self._jobs.job(job.name)
        if found is None or found.job.status is not JobStatus.RUNNING:
            return None
        max_retries = job.settings.retry_settings.max_retries
        unit = stored.unit.lose(outcome, max_retries, self._claiming.lease())
        _log.warning(
            "Job %s, unit %d: %s",
            job.name,
            unit.ordinal,
            outcome.lost,
            extra={"action": "worker_lost", "job": job.name, "unit": unit.ordinal},
        )
        if outcome.lost_ordinal is None:
            # No worker: compute may have to be started again, which is the job's affair.
            pause = self._times.worker_pause * 1.5 ** min(unit.attempt, 8)
            await self.park(job, StoredUnit(unit, stored.document), pause)
            await self._recording.nudge(job.name)
            return None
        return await self._replaced(job, stored, unit)

    async def _replaced(self, job: BatchJob, stored: StoredUnit, unit: Unit) -> StoredUnit | None:
        """None when somebody has taken the unit over: it is theirs."""
        try:
            return await self._jobs.replace_unit(job.name, stored, unit)
        except (StaleETag, DocumentNotFound):
            return None
