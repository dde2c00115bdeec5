"""Which delivery may run a unit."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from domain.ground.messages import ScoreUnit
from domain.jobs.records.batch_unit import Unit, UnitRecord
from domain.jobs.records.job_progress import Tally
from domain.jobs.records.job_store import JobStore, StoredUnit
from domain.jobs.records.job_times import JobTimes
from domain.jobs.units.unit_claiming import HeldElsewhere, UnitClaiming
from domain.ports import ResourceStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.clocks import HeldClock
from tests.kit.mischief import Mischief, Mortal

JOB = "job"
SENT = ScoreUnit(job=JOB, unit=3)
LEASE = 60.0


class Stage:
    """Claims by two hosts, `here` and `there`, on one store."""

    def __init__(self, store: SqliteResourceStore) -> None:
        self.clock = HeldClock()
        self.store = store
        self.jobs = JobStore(store)
        self.here = self._host("here")
        self.there = self._host("there")

    def _host(self, name: str) -> UnitClaiming:
        return UnitClaiming(self.jobs, self.clock, JobTimes(claim_lease=LEASE), name)

    async def first(self, id: str = "m1", message: ScoreUnit = SENT) -> StoredUnit:
        claimed = await self.here.claim(message, id, redelivered=False)
        assert claimed is not None
        return claimed

    async def save(self, stored: StoredUnit, unit: Unit) -> StoredUnit:
        return await self.jobs.replace_unit(JOB, stored, unit)

    async def go_on(self, stored: StoredUnit, attempts: int) -> StoredUnit:
        """The delivery that has the unit loses so many workers, one after the other."""
        for _ in range(attempts):
            stored = await self.save(stored, stored.unit.next_attempt(stored.unit.lease_until))
        return stored


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    store = SqliteResourceStore(tmp_path / "documents.db")
    yield Stage(store)
    await store.close()


async def test_a_unit_is_claimed_once(stage: Stage) -> None:
    assert (await stage.first()).unit.attempt == 0
    assert await stage.there.claim(SENT, "m2", redelivered=False) is None
    assert await stage.here.claim(SENT, "m1", redelivered=False) is None


@pytest.mark.parametrize("attempts", [0, 1, 3])
async def test_a_redelivered_message_takes_over_whatever_attempt_it_had_come_to(
    stage: Stage, attempts: int
) -> None:
    died = await stage.go_on(await stage.first(), attempts)
    again = await stage.there.claim(SENT, "m1", redelivered=True)
    assert again is not None
    assert (again.unit.attempt, again.unit.crashes) == (attempts + 1, 1)
    assert again.unit.claimed_by != died.unit.claimed_by


@pytest.mark.parametrize("attempts", [0, 1, 3])
async def test_a_redelivered_message_that_named_an_attempt_takes_over_the_one_it_had_come_to(
    stage: Stage, attempts: int
) -> None:
    first = await stage.first()
    await stage.save(first, first.unit.park(first.unit.lease_until))
    resuming = ScoreUnit(job=JOB, unit=3, attempt=0, waits=0)
    await stage.go_on(await stage.first("m2", resuming), attempts)
    again = await stage.there.claim(resuming, "m2", redelivered=True)
    assert again is not None
    assert (again.unit.attempt, again.unit.crashes) == (attempts + 1, 1)


async def test_a_delivery_that_its_own_earlier_one_overtakes_takes_the_unit_over(
    stage: Stage,
) -> None:
    """Its lock was lost, and both are at work: the earlier one may die, and the message is gone
    once the later one ends."""
    overtaken = Mischief()

    async def the_earlier_one_claims(name: str, *_: object) -> None:
        if name != "get":
            overtaken.before = None
            await stage.first()

    overtaken.before = the_earlier_one_claims
    late = UnitClaiming(
        JobStore(cast(ResourceStore, Mortal(stage.store, overtaken))),
        stage.clock,
        JobTimes(claim_lease=LEASE),
        "there",
    )
    claimed = await late.claim(SENT, "m1", redelivered=True)
    assert claimed is not None
    assert (claimed.unit.attempt, claimed.unit.crashes) == (1, 1)


@pytest.mark.parametrize("attempts", [0, 1])
@pytest.mark.parametrize("named", [None, 0, 1])
@pytest.mark.parametrize("id", ["m2", "m", "m1/", ""])
async def test_another_message_redelivered_does_not_take_over_what_has_its_lease(
    stage: Stage, id: str, named: int | None, attempts: int
) -> None:
    died = await stage.go_on(await stage.first(), attempts)
    other = ScoreUnit(job=JOB, unit=3, attempt=named)
    assert await stage.there.claim(other, id, redelivered=True) is None
    found = await stage.jobs.unit(JOB, 3)
    assert found is not None
    assert found.unit == died.unit


@pytest.mark.parametrize("redelivered", [False, True])
async def test_a_lease_that_ran_out_is_anybodys(stage: Stage, redelivered: bool) -> None:
    await stage.first()
    stage.clock.move(LEASE + 1)
    taken = await stage.there.claim(SENT, "m2", redelivered=redelivered)
    assert taken is not None
    assert taken.unit.attempt == 1


@pytest.mark.parametrize("holder", [None, "here"])
async def test_a_parked_attempt_whose_message_got_lost_goes_on_and_is_no_crash(
    stage: Stage, holder: str | None
) -> None:
    first = await stage.first()
    await stage.save(first, first.unit.park(first.unit.lease_until, holder))
    assert await stage.here.claim(SENT, "m2", redelivered=False) is None
    stage.clock.move(LEASE + 1)
    taken = await stage.here.claim(SENT, "m2", redelivered=False)
    assert taken is not None
    assert (taken.unit.attempt, taken.unit.waits, taken.unit.crashes) == (0, 1, 0)
    late = ScoreUnit(job=JOB, unit=3, attempt=0, waits=0)
    assert await stage.here.claim(late, "m3", redelivered=False) is None


async def test_an_attempt_that_goes_on_in_a_host_of_which_nothing_is_heard_is_taken_over(
    stage: Stage,
) -> None:
    first = await stage.first()
    await stage.save(first, first.unit.park(first.unit.lease_until, "there"))
    stage.clock.move(LEASE + 1)
    taken = await stage.here.claim(SENT, "m2", redelivered=False)
    assert taken is not None
    assert (taken.unit.attempt, taken.unit.crashes) == (1, 1)


async def test_a_parked_attempt_is_not_its_first_messages_any_more(stage: Stage) -> None:
    first = await stage.first()
    parked = await stage.save(first, first.unit.park(first.unit.lease_until, "here"))
    for host in (stage.here, stage.there):
        again = await host.claim(SENT, "m1", redelivered=True)
        # To be sent what goes on with it, once more; not to be run.
        assert again is not None
        assert again.unit == parked.unit
    assert await stage.here.claim(SENT, "m1", redelivered=False) is None
    assert await stage.here.claim(SENT, "m0", redelivered=True) is None
    resuming = ScoreUnit(job=JOB, unit=3, attempt=0, waits=0)
    with pytest.raises(HeldElsewhere):
        await stage.there.claim(resuming, "m2", redelivered=False)
    resumed = await stage.first("m2", resuming)
    assert (resumed.unit.attempt, resumed.unit.waits) == (0, 1)
    assert await stage.here.claim(resuming, "m3", redelivered=False) is None


async def test_a_recorded_unit_is_given_to_a_redelivered_message_alone(stage: Stage) -> None:
    first = await stage.first()
    await stage.save(first, first.unit.but(record=UnitRecord(tally=Tally())))
    assert await stage.there.claim(SENT, "m2", redelivered=False) is None
    found = await stage.there.claim(SENT, "m1", redelivered=True)
    assert found is not None
    assert found.unit.record is not None


async def test_a_bundle_is_claimed_whole_or_not_at_all(stage: Stage) -> None:
    await stage.first()
    bundle = ScoreUnit(job=JOB, unit=2, count=3)
    assert await stage.there.claim_all(bundle, "m2") is None
    assert await stage.jobs.unit(JOB, 2) is None
    rest = ScoreUnit(job=JOB, unit=4, count=3)
    claimed = await stage.there.claim_all(rest, "m3")
    assert claimed is not None
    assert [each.unit.ordinal for each in claimed] == [4, 5, 6]
    for one in rest.each():
        assert await stage.here.claim(one, "m4", redelivered=True) is None
        again = await stage.here.claim(one, "m3", redelivered=True)
        assert again is not None
        assert again.unit.attempt == 1
