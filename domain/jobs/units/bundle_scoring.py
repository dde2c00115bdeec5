"""Scoring a bundle: several units that one delivery has claimed together.

Units are bundled where their scripts take next to no time, so that what a delivery, a claim and
a record cost is shared. Each unit of a bundle has its own attempts, block and record all the
same, and whatever does not go as it should goes on by a message of its own.
"""

import time
from collections.abc import Sequence

from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import UnitRecord
from domain.jobs.records.job_plan import Plan
from domain.jobs.records.job_store import StoredUnit
from domain.jobs.records.job_times import JobTimes
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.unit_inputs import Files
from domain.jobs.units.unit_outcomes import Ran, record_of
from domain.jobs.units.unit_recording import UnitRecording
from domain.jobs.units.unit_scoring import UnitScoring
from domain.ports import UnitRequest

Ended = tuple[Ran, UnitRecord]


class BundleScoring:
    """One unit after the other, for as long as all goes well and quickly."""

    def __init__(
        self, units: UnitScoring, recording: UnitRecording, workers: JobWorkers, times: JobTimes
    ) -> None:
        self._units = units
        self._recording = recording
        self._workers = workers
        self._times = times

    async def run(self, job: BatchJob, plan: Plan, bundle: Sequence[StoredUnit]) -> None:
        """Each unit to its record, or to where another delivery goes on with it. Raises
        Unavailable and Throttled for what may pass: postpone them all then."""
        if not await self._workers.join(job):
            return
        until = time.monotonic() + self._times.bundle_limit
        rest = list(bundle)
        asked = {each.unit.ordinal: await self._asked(job, plan, each) for each in bundle}
        requests = [request for _, request in asked.values() if request.mini_batches]
        await self._units.begin(job, requests)
        ended: list[Ended] = []
        other: Ran | None = None
        while rest and other is None and time.monotonic() < until:
            stored = rest.pop(0)
            files, request = asked[stored.unit.ordinal]
            ran = await self._units.attempt(job, stored, files, request, until)
            if ran.outcome is not None and self._units.is_last(job, ran):
                ended.append((ran, record_of(ran, ran.outcome)))
            else:
                other = ran
        # Before anything else, for others may be free to run them.
        for each in rest:
            await self._units.park(job, each, 0.0)
        await self._record(job, [each for each in ended if each[1].is_small])
        for ran, record in ended:
            if not record.is_small:
                await self._record(job, [(ran, record)])
        if other is None:
            return
        if other.outcome is None:
            # A worker is at it, or it has its place among those that wait for one.
            await self._units.run(job, plan, other.stored)
            return
        after = await self._units.conclude(job, other)
        if after is not None:
            await self._units.park(job, after, 0.0)

    async def _asked(
        self, job: BatchJob, plan: Plan, stored: StoredUnit
    ) -> tuple[Files, UnitRequest]:
        files = await self._units.inputs.files(job, plan, stored.unit.ordinal)
        return files, await self._units.request(job, plan, stored, files)

    async def _record(self, job: BatchJob, ended: Sequence[Ended]) -> None:
        if ended:
            records = [(ran.stored, record) for ran, record in ended]
            await self._recording.record(job, *records, took=sum(ran.took for ran, _ in ended))
