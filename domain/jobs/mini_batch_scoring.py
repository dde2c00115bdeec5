"""Scoring one unit of a batch job: its mini-batches run on a worker, what became of them
recorded once.

The worker writes the rows as a block of the output; no row passes through here. Faults of
inputs and scripts are recorded and the delivery ends well; anything unexpected is raised, so
that the queue delivers again and the next delivery takes the unit over.
"""

import logging
import time
import zlib
from collections.abc import Collection
from datetime import timedelta

from domain.errors import DocumentNotFound, StaleETag, Throttled, Unavailable
from domain.jobs.batch_job import BatchJob
from domain.jobs.batch_plan import Plan
from domain.jobs.batch_progress import Tally
from domain.jobs.batch_times import BatchTimes
from domain.jobs.batch_unit import (
    Block,
    FailedMiniBatch,
    Unit,
    UnitRecord,
    bounded,
    columns_fault,
)
from domain.jobs.job_status import JobStatus
from domain.jobs.job_store import JobStore, StoredUnit
from domain.jobs.job_workers import JobWorkers
from domain.jobs.unit_claiming import HeldElsewhere, UnitClaiming
from domain.jobs.unit_inputs import Files, UnitInputs
from domain.jobs.unit_recording import UnitRecording
from domain.messages import MINI_BATCHES_QUEUE, ScoreUnit
from domain.ports import (
    BlobStore,
    Clock,
    Message,
    ResourceStore,
    Scorer,
    UnitOutcome,
    UnitRequest,
    WorkQueue,
)

_SUSPECT = 3
"""Crashes after which a unit is run apart from those that ran beside it."""

_log = logging.getLogger("ml_endpoints.batch")


class MiniBatchScoring:
    """Scoring a unit twice, late, or by two hosts at once leaves one record and the rows
    that it names. `holder` names the host across restarts: what `scorer` has under way is
    gone on with there alone."""

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        blobs: BlobStore,
        scorer: Scorer,
        clock: Clock,
        *,
        workers: JobWorkers,
        holder: str = "",
        times: BatchTimes | None = None,
        max_crashes: int = 10,
    ) -> None:
        self._times = times or BatchTimes()
        self._jobs = JobStore(store)
        self._queue = queue
        self._blobs = blobs
        self._scorer = scorer
        self._clock = clock
        self._workers = workers
        self._holder = holder
        self._claiming = UnitClaiming(self._jobs, clock, self._times, holder)
        self._recording = UnitRecording(store, queue, clock, self._times)
        self._inputs = UnitInputs(blobs)
        self._max_crashes = max_crashes

    async def score(self, message: ScoreUnit, id: str, *, redelivered: bool = False) -> None:
        """`id` is the message's own, the same in each of its deliveries; `redelivered`: an
        earlier one did not end well."""
        found = await self._jobs.job(message.job)
        if found is None or found.job.status is not JobStatus.RUNNING or found.job.plan is None:
            return
        job, plan = found.job, found.job.plan
        try:
            stored = await self._claiming.claim(message, id, redelivered=redelivered)
        except HeldElsewhere:
            await self._send(message, self._times.wait_again)
            return
        if stored is None:
            return
        if stored.unit.record is not None:
            await self._recording.nudge(job.name, unsent=True)
        elif stored.unit.crashes > self._max_crashes:
            await self._give_up(job, plan, stored)
        elif stored.unit.crashes >= _SUSPECT and not stored.unit.waits:
            await self._park(job, stored, _apart(job, stored.unit))
        else:
            await self._run_or_park(job, plan, stored)

    async def _run_or_park(self, job: BatchJob, plan: Plan, stored: StoredUnit) -> None:
        try:
            await self._run(job, plan, stored)
        except (Unavailable, Throttled) as error:
            # A fault that may pass is neither a try nor a crash.
            _log.warning(
                "Job %s, unit %d waits: %s",
                job.name,
                stored.unit.ordinal,
                error,
                extra={"action": "unit_waits", "job": job.name, "unit": stored.unit.ordinal},
            )
            current = await self._jobs.unit(job.name, stored.unit.ordinal)
            if current is None or current.unit.record is not None:
                return
            unit = current.unit.next_attempt(self._claiming.lease())
            pause = min(30.0, max(error.retry_after, self._times.wait_again))
            await self._park(job, StoredUnit(unit, current.document), pause)

    async def _run(self, job: BatchJob, plan: Plan, stored: StoredUnit) -> None:
        if not await self._workers.join(job):
            return
        retries = job.settings.retry_settings
        deadline = time.monotonic() + self._times.wait_limit
        files = await self._inputs.files(job, plan, stored.unit.ordinal)
        while True:
            request = await self._request(job, plan, stored, files)
            outcome: UnitOutcome | None = UnitOutcome(results=())
            if request.mini_batches:
                wait = max(0.0, deadline - time.monotonic())
                outcome = await self._scorer.run_unit(job.workload_key, request, wait=wait)
            if outcome is None:
                pause = self._times.wait_again * 1.3 ** min(stored.unit.waits, 6)
                await self._park(job, stored, pause, self._holder)
                return
            if outcome.lost is not None:
                lost = await self._lose(job, stored, outcome, retries.max_retries)
                if lost is None:
                    return
                stored = lost
                continue
            ran = [m.ordinal for m in request.mini_batches]
            gone = await self._inputs.changed(plan, stored.unit, files, ran)
            if gone:
                # Rows of a file that is not the planned one any more are in the block.
                unit = stored.unit.give_up(*gone).next_attempt(self._claiming.lease())
                again = await self._replaced(job, stored, unit)
                if again is None:
                    return
                stored = again
                continue
            await self._record(job, files, stored, request, outcome)
            return

    async def _request(
        self, job: BatchJob, plan: Plan, stored: StoredUnit, files: Files
    ) -> UnitRequest:
        unit = stored.unit
        retries = job.settings.retry_settings
        mini_batches = await self._inputs.lent(plan, unit, files, retries.max_retries)
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
        )

    async def _lose(
        self, job: BatchJob, stored: StoredUnit, outcome: UnitOutcome, max_retries: int
    ) -> StoredUnit | None:
        """The unit for its next attempt; None when this delivery has nothing more to do."""
        found = await self._jobs.job(job.name)
        if found is None or found.job.status is not JobStatus.RUNNING:
            return None
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
            await self._park(job, StoredUnit(unit, stored.document), pause)
            await self._recording.nudge(job.name)
            return None
        return await self._replaced(job, stored, unit)

    async def _park(
        self, job: BatchJob, stored: StoredUnit, pause: float, holder: str | None = None
    ) -> None:
        """Save how far it is, and come back after `pause` seconds, to `holder` if the attempt
        goes on there."""
        until = self._clock.now().timestamp() + pause + self._times.release_lease
        parked = await self._replaced(job, stored, stored.unit.park(until, holder))
        if parked is None:
            return
        unit = parked.unit
        message = ScoreUnit(job=job.name, unit=unit.ordinal, attempt=unit.attempt, waits=unit.waits)
        await self._send(message, pause)

    async def _send(self, message: ScoreUnit, pause: float) -> None:
        delay = timedelta(seconds=pause)
        await self._queue.send(MINI_BATCHES_QUEUE, Message(message.to_document(), delay=delay))

    async def _replaced(self, job: BatchJob, stored: StoredUnit, unit: Unit) -> StoredUnit | None:
        """None when somebody has taken the unit over: it is theirs."""
        try:
            return await self._jobs.replace_unit(job.name, stored, unit)
        except (StaleETag, DocumentNotFound):
            return None

    async def _record(
        self,
        job: BatchJob,
        files: Files,
        stored: StoredUnit,
        request: UnitRequest,
        outcome: UnitOutcome,
    ) -> None:
        unit = stored.unit
        ran = {m.ordinal for m in request.mini_batches}
        failed = {f.ordinal: f for f in (*unit.given_up, *unit.failed_in(outcome))}
        for silent in ran - {r.ordinal for r in outcome.results}:
            failed[silent] = FailedMiniBatch(
                ordinal=silent, tries=1, error="The worker gave no result for it."
            )
        fault = columns_fault(outcome.columns, outcome.types)
        if fault:
            for ordinal in ran - set(failed):
                failed[ordinal] = FailedMiniBatch(ordinal=ordinal, tries=1, error=fault)
        rows = 0 if fault else outcome.rows
        block = None
        if rows and outcome.length and request.block_url is not None:
            block = Block(id=unit.block_id, length=outcome.length, digest=outcome.digest)
        record = UnitRecord(
            block=block,
            columns=() if fault else outcome.columns,
            types=() if fault else outcome.types,
            lengths=_lengths(outcome) if block else {},
            tally=_tally(files, failed.keys(), rows),
            failed=tuple(bounded(failed[o], len(failed)) for o in sorted(failed)),
            seconds=sum(r.seconds for r in outcome.results),
        )
        await self._recording.record(job, stored, record)

    async def _give_up(self, job: BatchJob, plan: Plan, stored: StoredUnit) -> None:
        """A unit that ends its host again and again must not hold up the job."""
        unit = stored.unit
        files = await self._inputs.files(job, plan, unit.ordinal)
        failed = unit.give_up(
            *(
                FailedMiniBatch(
                    ordinal=ordinal,
                    tries=unit.crashes,
                    error=f"Given up: {unit.crashes} times the host ended while it ran this.",
                )
                for ordinal in files
            )
        ).given_up
        record = UnitRecord(
            tally=_tally(files, [f.ordinal for f in failed], 0),
            failed=tuple(bounded(f, len(failed)) for f in failed),
        )
        await self._recording.record(job, stored, record)


def _apart(job: BatchJob, unit: Unit) -> float:
    """Seconds until a unit runs that the host has ended beside: another time for each, so that
    the one that ends it is found, and the others get through."""
    chance = zlib.crc32(f"{job.name}/{unit.ordinal}/{unit.crashes}".encode()) / 2**32
    return chance * 2.0 * unit.crashes


def _lengths(outcome: UnitOutcome) -> dict[int, int]:
    """Of the mini-batches of a unit of several: how much of the block is each one's."""
    if len(outcome.results) < 2:
        return {}
    return {r.ordinal: r.length for r in outcome.results if r.succeeded and r.length}


def _tally(files: Files, failed: Collection[int], rows: int) -> Tally:
    failed_files = sum(len(files[m]) for m in failed)
    return Tally(
        succeeded_mini_batches=len(files) - len(failed),
        failed_mini_batches=len(failed),
        succeeded_files=sum(map(len, files.values())) - failed_files,
        failed_files=failed_files,
        rows=rows,
    )
