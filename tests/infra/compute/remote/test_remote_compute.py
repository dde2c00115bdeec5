"""What every platform's nodes have in common, over a fleet in memory."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from domain.ports import (
    EnvironmentSpec,
    Instance,
    InstanceLost,
    InstanceSize,
    LogKind,
    Program,
    Replace,
    ScoringRequest,
    ScoringResponse,
    SealedFolder,
    ServingWorkload,
    WorkloadState,
)
from infra.compute.ground.failure import StartFailure
from infra.compute.identity_lending import NothingLent
from infra.compute.node_lending import LentElsewhere
from infra.compute.remote.fleet import Node, NodeState, Progress
from infra.compute.remote.keeping.keeper_lease import PARTITION
from infra.compute.remote.ready_nodes import DOCUMENT_ID, KnownNodes
from infra.compute.remote.remote_compute import RemoteCompute
from infra.compute.remote.serving_record import partition_of
from tests.kit.composed import PlainCipher
from tests.kit.stages.memory_fleet import MemoryFleet, ToldAgent
from tests.kit.waiting import PATIENCE, eventually
from tests.simulation.stores.memory_blob_store import MemoryBlobStore
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

KEY = "online/iris/blue"
SCORE = ScoringRequest("POST", "/score", "", [("content-type", "text/plain")], b"1")


def workload(revision: str = "1", count: int = 1, key: str = KEY) -> ServingWorkload:
    code = SealedFolder("assets", "code", "seal")
    program = Program(
        EnvironmentSpec("3.11", ()), None, code, "score.py", {"A": "b"}, InstanceSize(1, 2**30)
    )
    return ServingWorkload(key, revision, program, count)


@dataclass
class Hosts:
    """Two on one store."""

    store: MemoryResourceStore
    fleet: MemoryFleet
    one: RemoteCompute
    other: RemoteCompute

    async def ready(self, wanted: ServingWorkload) -> list[Instance]:
        await self.one.serving.ensure(wanted)

        async def up() -> bool:
            seen = await self.one.serving.observe(wanted.key)
            if seen is None or seen.revision != wanted.revision:
                return False
            return seen.state is WorkloadState.READY

        await eventually(up, "ready")
        await self.one.serving.refresh([wanted.key])
        return list(self.one.serving.instances(wanted.key))

    async def state(self, key: str = KEY) -> WorkloadState | None:
        seen = await self.one.serving.observe(key)
        return seen.state if seen else None

    async def seen_by(self, host: RemoteCompute) -> list[Instance]:
        await host.serving.refresh([KEY])
        return list(host.serving.instances(KEY))

    async def score(self, instance: Instance) -> ScoringResponse:
        return await self.one.scorer.score(instance, SCORE, timeout=PATIENCE)

    def agent(self, instance: Instance) -> ToldAgent:
        return self.fleet.agents[instance.id.partition("/")[0]]


@pytest.fixture
async def hosts() -> AsyncIterator[Hosts]:
    store, fleet, cipher = MemoryResourceStore(time.time), MemoryFleet(), PlainCipher()
    blobs = MemoryBlobStore(lambda: datetime.now(UTC))
    one, other = (
        RemoteCompute(fleet, store, cipher, blobs, LentElsewhere(), NothingLent()) for _ in range(2)
    )
    yield Hosts(store, fleet, one, other)
    await one.close()
    await other.close()
    fleet.stop()


async def test_what_one_host_is_asked_for_serves_at_every_host_and_is_made_once(
    hosts: Hosts,
) -> None:
    await hosts.other.start()
    instances = await hosts.ready(workload(count=2))
    assert len(instances) == 2
    assert await hosts.seen_by(hosts.other) == instances
    assert len(hosts.fleet.there) == 2
    for instance in instances:
        answer = await hosts.other.scorer.score(instance, SCORE, timeout=PATIENCE)
        assert answer.status == 200
        assert not [name for name, _ in answer.headers if name.startswith("ml-endpoints")]


async def test_a_gateway_asks_no_platform(hosts: Hosts) -> None:
    [instance] = await hosts.ready(workload())
    await hosts.one.close()
    calls = hosts.fleet.calls
    known = KnownNodes(hosts.store, PlainCipher().decrypt)
    await known.refresh([KEY])
    assert list(known.instances(KEY)) == [instance]
    assert hosts.fleet.calls == calls


async def test_secrets_are_sealed_in_the_store(hosts: Hosts) -> None:
    [instance] = await hosts.ready(workload())
    secret = hosts.agent(instance).secret
    page = await hosts.store.query("remoteServing")
    ready = await hosts.store.query("readyInstances")
    bodies = json.dumps([each.body for each in (*page.documents, *ready.documents)])
    assert secret not in bodies


async def test_a_host_that_ends_takes_no_node_with_it_and_another_decides(hosts: Hosts) -> None:
    [instance] = await hosts.ready(workload())
    await hosts.one.close()
    assert len(hosts.fleet.there) == 1
    await hosts.other.serving.ensure(workload(count=2))
    await eventually(lambda: len(hosts.fleet.there) == 2)

    async def both() -> bool:
        return len(await hosts.seen_by(hosts.other)) == 2

    await eventually(both)
    assert instance in await hosts.seen_by(hosts.other)


async def test_a_host_that_begins_while_the_platform_is_away_leaves_the_route_as_it_is(
    hosts: Hosts,
) -> None:
    [instance] = await hosts.ready(workload())
    await hosts.one.close()
    hosts.fleet.is_away = True
    calls = hosts.fleet.calls
    await hosts.other.start()
    await eventually(lambda: hosts.fleet.calls > calls + 1, "it has asked again")
    assert await hosts.seen_by(hosts.other) == [instance]
    hosts.fleet.is_away = False
    await hosts.other.serving.ensure(workload(count=2))
    await eventually(lambda: len(hosts.fleet.there) == 2)


def _watches() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name()[:6] == "watch "]


async def test_a_host_that_decides_again_takes_nobody_off_the_route(hosts: Hosts) -> None:
    await hosts.ready(workload())
    told = await hosts.store.get(partition_of(KEY), DOCUMENT_ID)

    async def held_by(holder: str) -> None:
        body = {"kind": "remoteKeeper", "holder": holder}
        await hosts.store.transact(PARTITION, [Replace("keeper", body, None)])

    await held_by("another")
    await eventually(lambda: not _watches(), "it stands by")
    calls = hosts.fleet.calls
    await held_by("")
    await eventually(lambda: hosts.fleet.calls > calls + 4, "it has looked after them again")
    assert (await hosts.store.get(partition_of(KEY), DOCUMENT_ID)).etag == told.etag


async def test_an_update_is_rolled_out_beside_and_takes_over_at_once(hosts: Hosts) -> None:
    [old] = await hosts.ready(workload("1"))
    hosts.fleet.phase = "starting"
    await hosts.one.serving.ensure(workload("2"))
    await eventually(lambda: len(hosts.fleet.there) == 2)
    seen = await hosts.one.serving.observe(KEY)
    assert seen is not None
    assert (seen.revision, seen.serving, seen.state) == ("2", True, WorkloadState.STARTING)
    assert await hosts.seen_by(hosts.one) == [old]
    for agent in hosts.fleet.agents.values():
        agent.phase = "ready"
    [new] = await hosts.ready(workload("2"))
    assert new.id != old.id
    group = old.id.rpartition("-")[0]
    await eventually(lambda: group in hosts.fleet.deleted)
    assert hosts.fleet.deleted[group] > 2, "gateways use what they have read for two seconds"


async def test_an_update_that_fails_leaves_what_serves_and_can_be_taken_back(hosts: Hosts) -> None:
    [old] = await hosts.ready(workload("1"))
    hosts.fleet.phase = "failed"
    await hosts.one.serving.ensure(workload("2"))

    async def failed() -> bool:
        return await hosts.state() is WorkloadState.FAILED

    await eventually(failed)
    assert await hosts.seen_by(hosts.one) == [old]
    assert await hosts.ready(workload("1")) == [old]


async def test_what_its_agent_says_failed_has_failed_until_it_is_asked_for_again(
    hosts: Hosts,
) -> None:
    hosts.fleet.phase = "failed"
    await hosts.one.serving.ensure(workload())

    async def failed() -> bool:
        return await hosts.state() is WorkloadState.FAILED

    await eventually(failed)
    seen = await hosts.one.serving.observe(KEY)
    assert seen is not None
    assert seen.reason == "Its agent gave no reason."
    hosts.fleet.phase = "ready"
    assert len(await hosts.ready(workload())) == 1


async def test_what_cannot_be_prepared_says_why(hosts: Hosts) -> None:
    hosts.fleet.progress = Progress(failure=StartFailure("ImageBuildFailure", "no such image"))
    await hosts.one.serving.ensure(workload())

    async def failed() -> bool:
        return await hosts.state() is WorkloadState.FAILED

    await eventually(failed)
    seen = await hosts.one.serving.observe(KEY)
    assert seen is not None
    assert (seen.code, seen.reason) == ("ImageBuildFailure", "no such image")


async def test_a_node_that_has_ended_for_good_is_told_of(hosts: Hosts) -> None:
    [instance] = await hosts.ready(workload())
    id = instance.id.partition("/")[0]
    hosts.fleet.agents[id].stop()
    node: Node = hosts.fleet.there[id]
    hosts.fleet.there[id] = replace(
        node, state=NodeState.ENDED, code="ResourceNotReady", reason="exit 9", hopeless=True
    )

    async def failed() -> bool:
        return await hosts.state() is WorkloadState.FAILED

    await eventually(failed)
    assert await hosts.seen_by(hosts.one) == []


async def test_a_node_that_nobody_answers_at_leaves_the_route(hosts: Hosts) -> None:
    first, second = await hosts.ready(workload(count=2))
    hosts.agent(first).stop()
    await eventually(lambda: _are(hosts, [second]))


async def _are(hosts: Hosts, instances: list[Instance]) -> bool:
    return await hosts.seen_by(hosts.one) == instances


async def test_a_node_that_hangs_leaves_the_route_and_comes_back_when_it_answers(
    hosts: Hosts,
) -> None:
    first, second = await hosts.ready(workload(count=2))
    hosts.agent(first).silent = True
    await eventually(lambda: _are(hosts, [second]))
    hosts.agent(first).silent = False
    await eventually(lambda: _are(hosts, [first, second]))


async def test_the_only_one_takes_requests_though_it_does_not_say_that_it_is_ready(
    hosts: Hosts,
) -> None:
    [only] = await hosts.ready(workload())

    async def are_ready(count: int) -> bool:
        seen = await hosts.one.serving.observe(KEY)
        return seen is not None and seen.ready == count

    async def is_kept() -> bool:
        """Tried anew where this machine itself stood still for as long as makes it leave."""
        hosts.agent(only).silent = True
        await eventually(partial(are_ready, 0))
        kept = await hosts.seen_by(hosts.one) == [only]
        hosts.agent(only).silent = False
        await eventually(partial(are_ready, 1))
        return kept

    await eventually(is_kept)
    hosts.agent(only).stop()
    await eventually(lambda: _are(hosts, []))


async def test_a_process_that_is_started_again_is_another_instance(hosts: Hosts) -> None:
    [before] = await hosts.ready(workload())
    hosts.agent(before).restarts = 1

    async def another() -> bool:
        found = await hosts.seen_by(hosts.one)
        return bool(found) and found[0].id != before.id

    await eventually(another)


async def test_what_is_removed_takes_nothing_more_and_leaves_no_document(hosts: Hosts) -> None:
    [instance] = await hosts.ready(workload())
    removed = await hosts.one.serving.remove(KEY, grace=timedelta(0))
    assert list(hosts.one.serving.instances(KEY)) == []
    if not removed:
        await eventually(lambda: hosts.one.serving.remove(KEY, grace=timedelta(0)))
    assert hosts.fleet.there == {}
    assert await hosts.one.serving.keys() == []
    assert (await hosts.store.query("remoteServing")).documents == []
    assert (await hosts.store.query("readyInstances")).documents == []
    with pytest.raises(InstanceLost) as lost:
        await hosts.score(replace(instance, id="older"))
    assert not lost.value.sent


async def test_what_no_document_speaks_of_is_ended(hosts: Hosts) -> None:
    hosts.fleet.there["left"] = Node("left", "left-over", 0, NodeState.RUNNING, None)
    hosts.fleet.agents["left"] = ToldAgent("s")
    await hosts.ready(workload())
    await eventually(lambda: "left-over" in hosts.fleet.deleted)
    assert "left" not in hosts.fleet.there


@pytest.mark.parametrize(
    ("reason", "sent"), [("starting", False), ("draining", False), ("worker-lost", True)]
)
async def test_what_an_agent_says_of_a_request_it_did_not_pass_on(
    hosts: Hosts, reason: str, sent: bool
) -> None:
    [instance] = await hosts.ready(workload())
    agent = hosts.agent(instance)
    agent.status, agent.answer = 503, {"ml-endpoints-node-reason": reason}
    with pytest.raises(InstanceLost) as lost:
        await hosts.score(instance)
    assert lost.value.sent is sent


async def test_an_answer_of_something_in_between_is_an_instance_lost(hosts: Hosts) -> None:
    [instance] = await hosts.ready(workload())
    agent = hosts.agent(instance)
    agent.secret = "another node's"
    with pytest.raises(InstanceLost, match="Something between here and the instance answered"):
        await hosts.score(instance)
    await eventually(lambda: _are(hosts, []))


async def test_how_its_nodes_came_about_is_a_log(hosts: Hosts) -> None:
    await hosts.ready(workload())
    told = await hosts.one.serving.logs(KEY, LogKind.STORAGE_INITIALIZER, tail=5)
    assert told.startswith("how iris-blue-")
