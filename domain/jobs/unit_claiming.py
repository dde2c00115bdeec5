"""Who may run a unit: one delivery at a time, by a claim in the unit's document."""

from domain.errors import DocumentExists, DocumentNotFound, StaleETag
from domain.jobs.batch_times import BatchTimes
from domain.jobs.batch_unit import Unit
from domain.jobs.job_store import JobStore, StoredUnit
from domain.messages import ScoreUnit
from domain.ports import Clock


class HeldElsewhere(Exception):
    """The unit's attempt goes on in another host, to which the message is to come."""


class UnitClaiming:
    """An attempt is run by the delivery that claimed it and by nobody else, ever."""

    def __init__(self, jobs: JobStore, clock: Clock, times: BatchTimes, holder: str) -> None:
        self._jobs = jobs
        self._clock = clock
        self._times = times
        self._holder = holder

    async def claim(self, message: ScoreUnit, *, redelivered: bool) -> StoredUnit | None:
        """The unit, if this delivery is to run it; one that has a record already, for a
        redelivered message (its first delivery may not have sent what follows); else None:
        somebody is at it, or the message is stale. Raises HeldElsewhere."""
        if message.attempt is None and not redelivered:
            try:
                fresh = Unit(ordinal=message.unit, lease_until=self.lease())
                return await self._jobs.create_unit(message.job, fresh)
            except DocumentExists:
                pass
        found = await self._jobs.unit(message.job, message.unit)
        try:
            if found is None:
                fresh = Unit(ordinal=message.unit, lease_until=self.lease())
                return await self._jobs.create_unit(message.job, fresh)
            if found.unit.record is not None:
                return found if redelivered else None
            claimed = self._claimed(found.unit, message, redelivered)
            if claimed is None:
                return None
            return await self._jobs.replace_unit(message.job, found, claimed)
        except (DocumentExists, StaleETag, DocumentNotFound):
            return None  # Another delivery was faster.

    def lease(self) -> float:
        return self._clock.now().timestamp() + self._times.claim_lease

    def _claimed(self, unit: Unit, message: ScoreUnit, redelivered: bool) -> Unit | None:
        expired = unit.lease_until <= self._clock.now().timestamp()
        if message.attempt is None:
            if expired or (redelivered and not unit.parked):
                return unit.take_over(self.lease())
            return None
        if message.attempt != unit.attempt:
            return None
        if unit.parked and message.waits == unit.waits:
            if unit.holder in (None, self._holder):
                return unit.resume(self.lease())
            if not expired:
                raise HeldElsewhere
            return unit.take_over(self.lease())
        if redelivered and not unit.parked and message.waits == unit.waits - 1:
            # Its first delivery had resumed the attempt, and died.
            return unit.take_over(self.lease())
        return None
