"""What a delivery of `mini-batches` has done: one unit scored, or a bundle of them."""

import hashlib
from collections.abc import Sequence

from domain.errors import Throttled, Unavailable
from domain.ground.messages import ScoreUnit
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_plan import Plan
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_store import StoredUnit
from domain.jobs.units.bundle_scoring import BundleScoring
from domain.jobs.units.unit_claiming import HeldElsewhere, UnitClaiming
from domain.jobs.units.unit_recording import UnitRecording
from domain.jobs.units.unit_scoring import UnitScoring

_SUSPECT = 3
"""Crashes after which a unit is run apart from those that ran beside it."""


class UnitDelivery:
    """Scoring a unit twice, late, or by two hosts at once leaves one record and the rows
    that it names."""

    def __init__(
        self,
        ground: JobGround,
        *,
        units: UnitScoring,
        bundles: BundleScoring,
        claiming: UnitClaiming,
        recording: UnitRecording,
        max_crashes: int = 10,
    ) -> None:
        self._jobs = ground.jobs
        self._times = ground.times
        self._units = units
        self._bundles = bundles
        self._claiming = claiming
        self._recording = recording
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
            await self._apart(job, message, id, redelivered)
            return
        try:
            await self._bundles.run(job, plan, bundle)
        except (Unavailable, Throttled) as error:
            await self._postpone(job, bundle, error)

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
        elif stored.unit.parked:
            await self._units.come_back(job, stored.unit)
        elif stored.unit.crashes > self._max_crashes:
            await self._units.give_up(job, plan, stored)
        elif stored.unit.crashes >= _SUSPECT and not stored.unit.waits:
            await self._units.park(job, stored, _pause_apart(job, stored.unit))
        else:
            try:
                await self._units.run(job, plan, stored)
            except (Unavailable, Throttled) as error:
                await self._postpone(job, [stored], error)

    async def _postpone(
        self, job: BatchJob, units: Sequence[StoredUnit], error: Unavailable | Throttled
    ) -> None:
        unrecorded = [await self._units.postpone(job, each, error) for each in units]
        if not all(unrecorded):
            await self._recording.nudge(job.name, unsent=True)

    async def _apart(self, job: BatchJob, message: ScoreUnit, id: str, redelivered: bool) -> None:
        """A bundle that has met something: each of its units goes by itself from here on."""
        recorded = False
        for alone in message.each():
            stored = await self._claiming.claim(alone, id, redelivered=redelivered)
            if stored is None:
                continue
            if stored.unit.record is not None:
                recorded = True
                continue
            if stored.unit.parked:
                await self._units.come_back(job, stored.unit)
                continue
            suspect = stored.unit.crashes >= _SUSPECT
            await self._units.park(job, stored, _pause_apart(job, stored.unit) if suspect else 0.0)
        if recorded:
            await self._recording.nudge(job.name, unsent=True)


def _pause_apart(job: BatchJob, unit: Unit) -> float:
    """Seconds until a unit runs that the host has ended beside: another time for each, so that
    the one that ends it is found, and the others get through."""
    # (By a checksum, two units would be as close each time as they are once.)
    digest = hashlib.sha256(f"{job.name}/{unit.ordinal}/{unit.crashes}".encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32 * 2.0 * unit.crashes
