"""What a delivery of `mini-batches` has done: one unit scored, or a bundle of them.

Units are bundled where their scripts take next to no time, so that what a delivery, a claim and
a record cost is shared. Each unit of a bundle has its own attempts, block and record all the
same, and whatever does not go as it should goes on by a message of its own.
"""

import time
import zlib

from domain.errors import Throttled, Unavailable
from domain.jobs.batch_job import BatchJob
from domain.jobs.batch_plan import Plan
from domain.jobs.batch_times import BatchTimes
from domain.jobs.batch_unit import Unit
from domain.jobs.job_status import JobStatus
from domain.jobs.job_store import JobStore, StoredUnit
from domain.jobs.job_workers import JobWorkers
from domain.jobs.unit_claiming import HeldElsewhere, UnitClaiming
from domain.jobs.unit_outcomes import Ran, record_of
from domain.jobs.unit_recording import UnitRecording
from domain.jobs.unit_scoring import UnitScoring
from domain.messages import ScoreUnit
from domain.ports import BlobStore, Clock, ResourceStore, Scorer, UnitOutcome, WorkQueue

_SUSPECT = 3
"""Crashes after which a unit is run apart from those that ran beside it."""


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
        self._workers = workers
        self._claiming = UnitClaiming(self._jobs, clock, self._times, holder)
        self._recording = UnitRecording(store, queue, clock, self._times)
        self._units = UnitScoring(
            self._jobs,
            queue,
            blobs,
            scorer,
            clock,
            self._times,
            workers=workers,
            claiming=self._claiming,
            recording=self._recording,
            holder=holder,
        )
        self._max_crashes = max_crashes

    async def score(self, message: ScoreUnit, id: str, *, redelivered: bool = False) -> None:
        """`id` is the message's own, the same in each of its deliveries; `redelivered`: an
        earlier one did not end well."""
        found = await self._jobs.job(message.job)
        if found is None or found.job.status is not JobStatus.RUNNING or found.job.plan is None:
            return
        job, plan = found.job, found.job.plan
        if message.count == 1:
            await self._one(job, plan, message, id, redelivered)
            return
        bundle = None if redelivered else await self._claiming.claim_all(message, id)
        if bundle is None:
            for alone in message.each():
                await self._apart(job, alone, id, redelivered)
            return
        try:
            await self._bundle(job, plan, bundle)
        except (Unavailable, Throttled) as error:
            for each in bundle:
                await self._units.postpone(job, each, error)

    async def _one(
        self, job: BatchJob, plan: Plan, message: ScoreUnit, id: str, redelivered: bool
    ) -> None:
        try:
            stored = await self._claiming.claim(message, id, redelivered=redelivered)
        except HeldElsewhere:
            await self._units.send(message, self._times.wait_again)
            return
        if stored is None:
            return
        if stored.unit.record is not None:
            await self._recording.nudge(job.name, unsent=True)
        elif stored.unit.crashes > self._max_crashes:
            await self._units.give_up(job, plan, stored)
        elif stored.unit.crashes >= _SUSPECT and not stored.unit.waits:
            await self._units.park(job, stored, _pause_apart(job, stored.unit))
        else:
            try:
                await self._units.run(job, plan, stored)
            except (Unavailable, Throttled) as error:
                await self._units.postpone(job, stored, error)

    async def _apart(self, job: BatchJob, message: ScoreUnit, id: str, redelivered: bool) -> None:
        """One unit of a bundle that has met something: from here on it goes by itself."""
        stored = await self._claiming.claim(message, id, redelivered=redelivered)
        if stored is None:
            return
        if stored.unit.record is not None:
            await self._recording.nudge(job.name, unsent=True)
            return
        suspect = stored.unit.crashes >= _SUSPECT
        await self._units.park(job, stored, _pause_apart(job, stored.unit) if suspect else 0.0)

    async def _bundle(self, job: BatchJob, plan: Plan, bundle: list[StoredUnit]) -> None:
        """One after the other, for as long as all goes well and quickly; those that it went
        well for are recorded together."""
        if not await self._workers.join(job):
            return
        began = time.monotonic()
        deadline = began + self._times.wait_limit
        rest = list(bundle)
        well: list[tuple[Ran, UnitOutcome]] = []
        other: Ran | None = None
        while rest and other is None and time.monotonic() - began < self._times.bundle_limit:
            stored = rest.pop(0)
            files = await self._units.inputs.files(job, plan, stored.unit.ordinal)
            ran = await self._units.attempt(job, plan, stored, files, deadline)
            if ran.outcome is None or ran.outcome.lost is not None:
                other = ran
            else:
                well.append((ran, ran.outcome))
        # Before anything else, for others may be free to run them.
        for each in rest:
            await self._units.park(job, each, 0.0)
        alone = [] if other is None else [other]
        together = []
        for ran, outcome in well:
            record = record_of(ran, outcome)
            if record.is_small:
                together.append((ran.stored, record))
            else:
                alone.append(ran)
        if together:
            await self._recording.record(job, *together)
        for ran in alone:
            after = await self._units.conclude(job, ran)
            if after is not None:
                await self._units.park(job, after, 0.0)


def _pause_apart(job: BatchJob, unit: Unit) -> float:
    """Seconds until a unit runs that the host has ended beside: another time for each, so that
    the one that ends it is found, and the others get through."""
    chance = zlib.crc32(f"{job.name}/{unit.ordinal}/{unit.crashes}".encode()) / 2**32
    return chance * 2.0 * unit.crashes
