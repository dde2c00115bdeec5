"""Pools, brought closer to what their jobs ask, over a fleet in memory."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from domain.ports import Cluster
from infra.compute.http.unix_http import UnixHttp
from infra.compute.identity_lending import NothingLent
from infra.compute.remote.fleet import NodeState
from infra.compute.remote.group_working import GroupWorking
from infra.compute.remote.keeping.keeper_index import KeeperIndex
from infra.compute.remote.keeping.node_stories import NodeStories
from infra.compute.remote.node_watches import NodeWatches
from infra.compute.remote.workers.known_pools import KnownPools
from infra.compute.remote.workers.pool_keeping import PoolKeeping
from infra.compute.remote.workers.pool_record import PoolRecord
from infra.compute.remote.workers.pool_records import PoolRecords
from tests.infra.compute.remote.workers.pools import pool
from tests.kit.composed import PlainCipher
from tests.kit.stages.memory_fleet import MemoryFleet
from tests.kit.waiting import eventually
from tests.simulation.stores.memory_resource_store import MemoryResourceStore


@dataclass
class Stage:
    """`now` is the keeper's time."""

    fleet: MemoryFleet
    records: PoolRecords
    working: GroupWorking
    keeping: PoolKeeping
    now: list[float]

    async def want(self, record: PoolRecord) -> None:
        await self.records.change(record.name, lambda _: record)
        await self.keeping.read()

    async def step(self) -> None:
        await self.keeping.step(await self.fleet.nodes())

    async def up(self, record: PoolRecord) -> int:
        """How many nodes it has, once the fleet has answered."""
        await eventually(lambda: not self.working.coming(record.group))
        return sum(node.group == record.group for node in self.fleet.there.values())


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    store, fleet, http, now = MemoryResourceStore(time.time), MemoryFleet(), UnixHttp(), [1000.0]
    records = PoolRecords(store, KeeperIndex(store))
    changed = asyncio.Event().set
    watches = NodeWatches(http, changed, NothingLent())
    working = GroupWorking(
        fleet, watches, PlainCipher().decrypt, changed, NothingLent(), NodeStories()
    )
    known = KnownPools(records, lambda name, record: None, lambda: False)
    keeping = PoolKeeping(fleet, records, working, watches, known, lambda: now[0])
    yield Stage(fleet, records, working, keeping, now)
    await working.close()
    await watches.close()
    fleet.stop()
    http.close()


async def test_a_fleet_that_takes_long_is_asked_for_no_more_than_the_cluster_has(
    stage: Stage,
) -> None:
    of_two = Cluster("small", 2)
    one, two = pool("1", cluster=of_two, a=2), pool("2", cluster=of_two, b=2)
    stage.fleet.goes_on.clear()
    await stage.want(one)
    await stage.step()
    stage.now[0] += 60
    await stage.want(two)
    await stage.step()
    stage.fleet.goes_on.set()
    assert (await stage.up(one), await stage.up(two)) == (2, 0)
    await stage.step()
    assert await stage.up(two) == 0, "both are held, and young"


async def test_what_the_fleet_has_made_since_it_was_looked_at_counts(stage: Stage) -> None:
    of_two = Cluster("small", 2)
    one, two = pool("1", cluster=of_two, a=2), pool("2", cluster=of_two, b=2)
    stage.fleet.goes_on.clear()
    await stage.want(one)
    await stage.step()
    stage.now[0] += 60
    before = await stage.fleet.nodes()
    await stage.keeping.step(before)
    stage.fleet.goes_on.set()
    await stage.up(one)
    await stage.want(two)
    await stage.keeping.step(before)
    assert (await stage.up(one), await stage.up(two)) == (2, 0)


async def test_a_host_that_begins_to_decide_takes_nodes_to_have_answered_where_one_was_ready(
    stage: Stage,
) -> None:
    record = pool(a=1)
    await stage.want(replace(record, standing=replace(record.standing, proven=True)))
    await stage.step()
    await stage.up(record)
    nodes = await stage.fleet.nodes()
    told = [await stage.keeping.followed(nodes, first=first) for first in (True, False)]
    assert [[each.answered for each in followed.nodes] for followed in told] == [[True], [False]]


async def died_for_good(stage: Stage, *, proven: bool) -> PoolRecord:
    """A pool, after a look at its one node, which has ended too often."""
    record = pool(a=1)
    await stage.want(replace(record, standing=replace(record.standing, proven=proven)))
    await stage.step()
    await stage.up(record)
    for id, node in stage.fleet.there.items():
        stage.fleet.there[id] = replace(
            node,
            state=NodeState.ENDED,
            code="ResourceNotReady",
            reason="It ended 6 times in a row.",
            hopeless=True,
        )
    await stage.step()
    [found] = await stage.records.all()
    return found


async def test_nodes_that_die_again_and_again_fail_a_pool_that_never_had_one_ready(
    stage: Stage,
) -> None:
    record = await died_for_good(stage, proven=False)
    assert (record.attempt, record.has_failed) == (0, True)


async def test_nodes_that_die_again_and_again_do_not_fail_a_pool_that_had_one_ready(
    stage: Stage,
) -> None:
    record = await died_for_good(stage, proven=True)
    assert (record.attempt, record.has_failed, record.is_prepared) == (1, False, False)
    await stage.up(record)
    await stage.step()
    [record] = await stage.records.all()
    assert (record.attempt, record.has_failed, record.is_prepared) == (1, False, True)
