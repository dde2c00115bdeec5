"""Who may run a unit: one delivery at a time, by a claim in the unit's document."""

from uuid import uuid4

from domain.errors import DocumentExists, DocumentNotFound, StaleETag, Unavailable
from domain.ground.driving.driver import RACES
from domain.ground.messages import ScoreUnit
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_store import JobStore, StoredUnit
from domain.jobs.records.job_times import JobTimes
from domain.ports import Clock


class HeldElsewhere(Exception):
    """The unit's attempt goes on where this host cannot reach it: another is to get the message."""


class UnitClaiming:
    """An attempt is run by the delivery that claimed it and by nobody else, ever."""

    def __init__(self, jobs: JobStore, clock: Clock, times: JobTimes, holder: str | None) -> None:
        self._jobs = jobs
        self._clock = clock
        self._times = times
        self._holder = holder

    async def claim(self, message: ScoreUnit, id: str, *, redelivered: bool) -> StoredUnit | None:
        """The unit, if this delivery of the message `id` is to run it. As it stands, for a
        redelivered message, one that has a record or that its first delivery has parked: that
        may not have sent what follows. Else None: somebody is at it, or the message is stale.
        Raises HeldElsewhere, and Unavailable when it found no turn."""
        fresh = Unit(ordinal=message.unit, lease_until=self.lease(), claimed_by=_claim(id))
        if message.attempt is None and not redelivered:
            try:
                return await self._jobs.create_unit(message.job, fresh)
            except DocumentExists:
                pass
        for _ in range(RACES):
            try:
                return await self._looked(message, id, fresh, redelivered)
            except DocumentNotFound:
                return None
            except (DocumentExists, StaleETag):
                # Another delivery was faster. If it is an earlier one of this very message, whose
                # lock was lost, nothing comes after this one: it may yet die at the unit.
                if not redelivered:
                    return None
        raise Unavailable(f"A claim of unit {message.unit} of '{message.job}' found no turn.")

    async def _looked(
        self, message: ScoreUnit, id: str, fresh: Unit, redelivered: bool
    ) -> StoredUnit | None:
        found = await self._jobs.unit(message.job, message.unit)
        if found is None:
            return await self._jobs.create_unit(message.job, fresh)
        own = redelivered and _message_of(found.unit.claimed_by) == id
        if found.unit.record is not None:
            return found if redelivered else None
        if own and found.unit.parked:
            return found
        if own:
            # Its earlier delivery was at it, and died; whatever attempt it had come to.
            after = found.unit.take_over(self.lease(), _claim(id))
            return await self._jobs.replace_unit(message.job, found, after)
        claimed = self._claimed(found.unit, message, id)
        if claimed is None:
            return None
        return await self._jobs.replace_unit(message.job, found, claimed)

    async def claim_all(self, message: ScoreUnit, id: str) -> list[StoredUnit] | None:
        """The units of a bundle that nobody has touched yet; None if somebody has."""
        units = [
            Unit(ordinal=unit, lease_until=self.lease(), claimed_by=_claim(id))
            for unit in message.units
        ]
        try:
            return await self._jobs.create_units(message.job, units)
        except DocumentExists:
            return None

    def lease(self) -> float:
        return self._clock.now().timestamp() + self._times.claim_lease

    def _claimed(self, unit: Unit, message: ScoreUnit, id: str) -> Unit | None:
        expired = unit.lease_until <= self._clock.now().timestamp()
        if message.attempt is None:
            return self._left(unit, id) if expired else None
        if message.attempt != unit.attempt or message.waits != unit.waits or not unit.parked:
            return None
        if unit.holder in (None, self._holder):
            return unit.resume(self.lease(), _claim(id))
        if not expired:
            raise HeldElsewhere
        return unit.take_over(self.lease(), _claim(id))

    def _left(self, unit: Unit, id: str) -> Unit:
        """A unit of which nothing was heard for the whole of its lease."""
        if unit.parked and unit.holder in (None, self._holder):
            # No host ended at it: the message that was to go on with it got lost.
            return unit.resume(self.lease(), _claim(id))
        return unit.take_over(self.lease(), _claim(id))


def _claim(id: str) -> str:
    """A claim by one delivery of the message `id`: no two are alike."""
    return f"{id}/{uuid4().hex[:12]}"


def _message_of(claim: str) -> str:
    return claim.rpartition("/")[0]
