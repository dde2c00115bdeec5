"""Which unit is sent to which node next."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from domain.ports import Cluster
from infra.compute.ground.failure import StartFailure
from infra.compute.remote.serving_record import Standing
from infra.compute.remote.workers.pool_record import PoolRecord
from infra.compute.remote.workers.unit_turns import NodeLease, UnitTurns, Waiter
from tests.infra.compute.remote.workers.pools import pool, with_nodes
from tests.kit.waiting import eventually

TWO_EACH = Cluster(processes_per_node=2)


class Asking:
    """Units that ask for a process, and have one or not yet."""

    def __init__(self, record: PoolRecord) -> None:
        self.turns = UnitTurns()
        self.turns.update(record)
        self.tasks: list[asyncio.Task[NodeLease]] = []

    async def ask(self, job: str, count: int = 1) -> list["asyncio.Task[NodeLease]"]:
        made = []
        for _ in range(count):
            waiter = Waiter(asyncio.get_running_loop().create_future())
            made.append(asyncio.create_task(self.turns.lease(f"batch/{job}", waiter)))
        self.tasks += made
        for _ in range(5):
            await asyncio.sleep(0)
        return made

    def nodes(self) -> Counter[str]:
        return Counter(task.result().node.id for task in self.tasks if task.done())


async def test_a_node_is_sent_what_it_has_processes_for_and_no_job_has_more_than_it_asked() -> None:
    asking = Asking(with_nodes(pool(cluster=TWO_EACH, one=3, two=1), 2))
    await asking.ask("one", 5)
    assert asking.nodes() == {"n0": 2, "n1": 1}
    await asking.ask("two", 2)
    assert asking.nodes() == {"n0": 2, "n1": 2}


async def test_jobs_take_turns_whatever_they_have_waiting() -> None:
    asking = Asking(with_nodes(pool(one=2, two=2, three=2), 1, share=1))
    # (Each may have all there is, so that one is sent ahead.)
    many = await asking.ask("one", 6)
    few = await asking.ask("two", 2)
    assert [task.done() for task in many] == [True, True, *[False] * 4]
    many[0].result().release()
    await asyncio.sleep(0)
    await eventually(few[0].done)
    many[1].result().release()
    await eventually(lambda: few[1].done() or many[2].done())
    assert many[2].done(), "it has none, and the other one"


@pytest.mark.parametrize("first_known", ["that it waits", "that another is idle"])
async def test_what_waits_on_a_node_is_recalled_when_another_is_idle(first_known: str) -> None:
    record = pool(one=2)
    asking = Asking(with_nodes(record, 1))
    first, second = await asking.ask("one", 2)
    assert asking.nodes() == {"n0": 2}
    if first_known == "that it waits":
        second.result().tell(waits=True)
        asking.turns.update(with_nodes(record, 2))
    else:
        asking.turns.update(with_nodes(record, 2))
        second.result().tell(waits=True)
    assert second.result().recalled.done()
    assert not first.result().recalled.done()
    second.result().release()
    [again] = await asking.ask("one")
    assert again.result().node.id == "n1"


async def test_nothing_is_sent_beyond_the_share_or_to_what_took_nothing() -> None:
    asking = Asking(with_nodes(pool(one=9), 3, share=2))
    leases = await asking.ask("one", 9)
    assert asking.nodes() == {"n0": 2, "n1": 2}
    leases[0].result().release(shun=True)
    await asyncio.sleep(0)
    assert asking.nodes()["n0"] == 2, "those that it had"


async def test_a_lost_node_and_a_job_that_was_taken_away_are_told() -> None:
    record = with_nodes(pool(one=1, two=1), 3)
    asking = Asking(record)
    [one] = await asking.ask("one")
    [two] = await asking.ask("two")
    waits = (await asking.ask("two"))[0]
    asking.turns.update(replace(record, nodes=record.nodes[1:]))
    assert "n0 was lost" in one.result().lost.result()
    asking.turns.update(replace(record, nodes=record.nodes[1:]).left("batch/two"))
    assert "taken away" in two.result().lost.result()
    with pytest.raises(StartFailure, match="taken away"):
        await waits
    with pytest.raises(StartFailure, match="No workers were started"):
        await (await asking.ask("three"))[0]


async def test_a_pool_that_has_failed_gives_its_reason() -> None:
    failed = Standing(prepared=True, code="UserScriptInitFailed", reason="no such file")
    asking = Asking(replace(pool(one=1), standing=failed))
    with pytest.raises(StartFailure, match="no such file"):
        await (await asking.ask("one"))[0]
