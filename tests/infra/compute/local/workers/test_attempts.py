import asyncio

from domain.ports import UnitOutcome
from tests.infra.compute.conftest import House
from tests.kit.waiting import eventually

JOB = "batch/job1"


async def test_a_unit_whose_workers_go_before_they_are_ready_is_lost_without_blame(
    house: House,
) -> None:
    await house.workers.ensure(await house.batch("import time\ndef init(): time.sleep(600)"))
    request = await house.unit("a1", [["x"]])

    async def run() -> UnitOutcome:
        return await house.outcome(JOB, request)

    waiting = asyncio.create_task(run())

    async def known() -> bool:
        return bool(await house.workers.keys())

    await eventually(known)
    await house.workers.run_unit(JOB, request, wait=0.05)
    await house.end(JOB)
    outcome = await waiting
    assert outcome.lost_ordinal is None
    assert "taken away" in str(outcome.lost)
