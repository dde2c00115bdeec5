"""What is said of a node by how long it has been silent."""

import asyncio
import math
from typing import Any

import pytest

from infra.compute.http.unix_http import UnixHttp
from infra.compute.identity_lending import NothingLent
from infra.compute.remote.fleet import Node, NodeState
from infra.compute.remote.node_watches import NEVER, SILENT, FollowedNode, NodeWatches
from tests.kit.stages.memory_fleet import ToldAgent
from tests.kit.waiting import eventually

TIMEOUT = 5.0


class Watch:
    at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Watch:
    return Watch()


async def watched(agent: ToldAgent, secret: str, clock: Watch) -> tuple[NodeWatches, UnixHttp]:
    http = UnixHttp()
    watches = NodeWatches(http, lambda: None, NothingLent(), clock)
    node = Node("n", "g", 0, NodeState.RUNNING, await agent.start())
    watches.follow([FollowedNode(node, secret, None)], {})
    return watches, http


async def test_a_port_where_nobody_listens_is_beyond_hope_after_a_minute(clock: Watch) -> None:
    agent = ToldAgent("secret")
    watches, http = await watched(agent, "secret", clock)
    agent.stop()
    await eventually(lambda: watches.health("n").trouble)
    clock.at = NEVER
    health = watches.health("n")
    assert health.is_beyond_hope
    assert not health.is_lost(TIMEOUT), "it never was there"
    await watches.close()
    http.close()


async def test_a_node_that_is_not_ours_is_never_ready(clock: Watch) -> None:
    agent = ToldAgent("another deployment's")
    watches, http = await watched(agent, "secret", clock)
    await eventually(lambda: watches.health("n").trouble)
    health = watches.health("n")
    assert not health.ready
    assert health.trouble == "an answer with status 200 that is not this node's"
    clock.at = NEVER
    assert watches.health("n").is_beyond_hope
    await watches.close()
    agent.stop()
    http.close()


@pytest.mark.parametrize(
    "lie",
    [
        {"idle_seconds": "for ever"},
        {"idle_seconds": math.nan},
        {"idle_seconds": math.inf},
        {"idle_seconds": -1},
        {"idle_seconds": [1]},
        {"phase": None},
    ],
    ids=repr,
)
async def test_a_node_that_says_what_cannot_be_is_not_believed_until_it_says_what_can(
    clock: Watch, lie: dict[str, Any]
) -> None:
    agent = ToldAgent("secret", state=lie)
    watches, http = await watched(agent, "secret", clock)
    await eventually(lambda: watches.health("n").trouble)
    assert not watches.health("n").ready
    clock.at = NEVER
    assert watches.health("n").is_beyond_hope
    agent.state = {}
    await eventually(lambda: watches.health("n").ready)
    await watches.close()
    agent.stop()
    http.close()


async def test_a_watch_that_was_cut_short_knows_what_it_knew_and_goes_on(clock: Watch) -> None:
    agent = ToldAgent("secret")
    watches, http = await watched(agent, "secret", clock)
    await eventually(lambda: watches.health("n").ready)
    [task] = [each for each in asyncio.all_tasks() if each.get_name().startswith("watch ")]
    task.cancel()
    await asyncio.wait({task})
    watches.follow([FollowedNode(Node("n", "g", 0, NodeState.RUNNING), "secret", None)], {})
    assert watches.health("n").ready
    agent.stop()
    await eventually(lambda: not watches.health("n").ready)
    await watches.close()
    http.close()


async def test_one_that_hangs_as_a_host_begins_to_decide_is_lost_as_soon_as_any(
    clock: Watch,
) -> None:
    agent = ToldAgent("secret", silent=True)
    http = UnixHttp()
    watches = NodeWatches(http, lambda: None, NothingLent(), clock)
    node = Node("n", "g", 0, NodeState.RUNNING, await agent.start())
    watches.follow([FollowedNode(node, "secret", None)], {"n": "life.0"})
    assert watches.health("n").ready, "it was so to the host before"
    await eventually(lambda: watches.health("n").trouble)
    clock.at = SILENT + TIMEOUT
    assert watches.health("n").is_lost(TIMEOUT)
    await watches.close()
    agent.stop()
    http.close()


async def test_one_that_was_ready_may_yet_answer_until_it_is_silent_for_long_or_nobody_is_there(
    clock: Watch,
) -> None:
    agent = ToldAgent("secret")
    watches, http = await watched(agent, "secret", clock)
    await eventually(lambda: watches.health("n").ready)
    agent.silent = True
    await eventually(lambda: not watches.health("n").ready)
    assert watches.health("n").may_yet_answer
    clock.at = SILENT
    assert not watches.health("n").may_yet_answer
    agent.silent = False
    await eventually(lambda: watches.health("n").ready)
    agent.stop()
    await eventually(lambda: not watches.health("n").ready)
    assert not watches.health("n").may_yet_answer
    await watches.close()
    http.close()


async def test_one_that_was_there_is_lost_after_a_request_s_time_and_a_while(clock: Watch) -> None:
    agent = ToldAgent("secret")
    watches, http = await watched(agent, "secret", clock)
    await eventually(lambda: watches.health("n").ready)
    agent.stop()
    await eventually(lambda: not watches.health("n").ready)
    clock.at = SILENT + TIMEOUT - 0.1
    assert not watches.health("n").is_lost(TIMEOUT)
    clock.at = SILENT + TIMEOUT
    assert watches.health("n").is_lost(TIMEOUT)
    await watches.close()
    http.close()
