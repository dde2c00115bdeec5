"""What becomes of nodes that do not answer, over a fleet in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from infra.compute.http.unix_http import UnixHttp
from infra.compute.identity_lending import NothingLent
from infra.compute.remote.fleet import NodeGroup
from infra.compute.remote.group_working import Asked, GroupWorking
from infra.compute.remote.keeping.node_stories import NodeStories
from infra.compute.remote.node_watches import NEVER, SILENT, FollowedNode, NodeWatches
from infra.compute.remote.serving_record import Standing
from tests.infra.compute.remote.workers.pools import workload
from tests.kit.composed import PlainCipher
from tests.kit.stages.memory_fleet import MemoryFleet
from tests.kit.waiting import eventually

GROUP = NodeGroup("g", "workers/local", workload("batch/a", 1).program, {"revision": "g"}, "secret")


@dataclass
class Host:
    """That decides, on a clock of its own."""

    fleet: MemoryFleet
    http: UnixHttp
    watches: NodeWatches
    working: GroupWorking
    now: list[float]
    standing: Standing

    async def look(self, *, first: bool = False) -> Standing:
        nodes = await self.fleet.nodes()
        answered = first and self.standing.proven
        self.watches.follow([FollowedNode(n, "secret", None, answered) for n in nodes], {})
        asked = Asked(GROUP, 1, self.standing, patience=0.0)
        self.standing = await self.working.work(asked, nodes)
        await eventually(lambda: not self.working.coming("g"))
        return self.standing

    async def up(self) -> str:
        """A node, once it is ready."""

        async def ready() -> bool:
            return (await self.look()).ready == 1

        await eventually(ready)
        [id] = self.fleet.there
        return id

    async def silent_for(self, seconds: float) -> None:
        [id] = self.fleet.there
        await eventually(lambda: self.watches.health(id).trouble)
        self.now[0] += seconds

    def cut_off(self) -> None:
        """As an engine shows it."""
        for id, node in self.fleet.there.items():
            self.fleet.agents[id].stop()
            self.fleet.there[id] = replace(node, address=None)

    async def end(self) -> None:
        await self.working.close()
        await self.watches.close()
        self.http.close()


def host_of(fleet: MemoryFleet, standing: Standing) -> Host:
    now, http = [1000.0], UnixHttp()
    watches = NodeWatches(http, lambda: None, NothingLent(), lambda: now[0])
    working = GroupWorking(
        fleet, watches, PlainCipher().decrypt, lambda: None, NothingLent(), NodeStories()
    )
    return Host(fleet, http, watches, working, now, standing)


@pytest.fixture
async def fleet() -> AsyncIterator[MemoryFleet]:
    fleet = MemoryFleet()
    yield fleet
    fleet.stop()


@pytest.fixture
async def host(fleet: MemoryFleet) -> AsyncIterator[Host]:
    host = host_of(fleet, Standing())
    yield host
    await host.end()


async def test_what_never_answers_has_failed_where_none_was_ever_ready(host: Host) -> None:
    host.fleet.phase = "starting"
    await host.look()
    host.cut_off()
    await host.look()
    await host.silent_for(NEVER)
    standing = await host.look()
    assert standing.reason is not None
    assert "did not answer as an instance" in standing.reason
    assert "it has no address in its network" in standing.reason


async def test_what_never_answers_is_replaced_where_one_has_been_ready(host: Host) -> None:
    before = await host.up()
    await host.fleet.replace(host.fleet.there[before], "struck")
    await host.look()
    host.cut_off()  # before it was ever asked
    [second] = host.fleet.there
    await host.look()
    await host.silent_for(NEVER)
    standing = await host.look()
    assert not standing.has_failed
    assert await host.up() not in (before, second)


async def test_what_was_cut_off_before_a_host_began_to_decide_is_replaced(host: Host) -> None:
    before = await host.up()
    host.cut_off()
    other = host_of(host.fleet, host.standing)
    await other.look(first=True)
    await other.silent_for(SILENT)
    assert not (await other.look()).has_failed
    assert await other.up() != before
    await other.end()


async def test_what_was_silent_as_a_host_began_to_decide_is_replaced(host: Host) -> None:
    before = await host.up()
    host.fleet.agents[before].stop()

    async def known() -> bool:
        return (await host.look()).ready == 0

    await eventually(known)
    other = host_of(host.fleet, host.standing)
    await other.look(first=True)
    await other.silent_for(SILENT)
    assert not (await other.look()).has_failed
    assert await other.up() != before
    await other.end()
