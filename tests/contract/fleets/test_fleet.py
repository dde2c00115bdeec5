"""The contract of infra.compute.remote.fleet.Fleet, on each platform where there is one."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import pytest_asyncio

from domain.errors import Unavailable
from domain.ports import EnvironmentSpec, InstanceLost
from infra.compute.docker.labels import INSTALLATION
from infra.compute.http.unix_connection import UnixResponse
from infra.compute.http.unix_http import UnixHttp
from infra.compute.identity_lending import NothingLent
from infra.compute.remote.fleet import Fleet, Node
from infra.compute.remote.node_watches import NodeWatches
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.contract.fleets.platform import Platform
from tests.contract.fleets.platforms import PLATFORMS, docker
from tests.kit.stages.fleet_yard import SECRET, Yard
from tests.kit.waiting import PATIENCE, eventually
from tests.servers.engine.given import given_engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

_AT_ONCE = {"linger": 0.0, "grace": 0.0}


@pytest.fixture(scope="module", params=PLATFORMS)
def platform(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    with PLATFORMS[request.param](tmp_path_factory.mktemp(request.param)) as platform:
        yield platform


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Yard]:
    folder = tmp_path_factory.mktemp("yard")
    blobs = FileBlobStore(folder, base_url="http://localhost", key=b"k" * 32)
    ours, theirs = (f"{folder.stat().st_ino:x}{letter}" for letter in "ab")
    fleet = platform.open(blobs, folder / "one", ours)
    beside = platform.open(blobs, folder / "beside", ours)
    foreign = platform.open(blobs, folder / "foreign", theirs)
    yard = Yard(blobs, fleet, beside, foreign, itertools.count())
    yield yard
    made = next(yard.numbers)
    for each in (fleet, beside, foreign):
        await eventually(partial(gone, each), "all gone", every=0.1)
        for number in range(
            made
        ):  # those too that never had a node: the network goes with the last
            await each.delete(f"g{number}", **_AT_ONCE)
        await each.close()
    await blobs.close()


async def gone(fleet: Fleet) -> bool:
    return all([await fleet.delete(group, **_AT_ONCE) for group in await fleet.groups()])


async def state_of(node: Node) -> dict[str, object]:
    http = UnixHttp()
    try:
        watches = NodeWatches(http, lambda: None, NothingLent())
        assert node.address is not None
        return await watches.ask(node.address, SECRET)
    finally:
        http.close()


async def until_ready(node: Node) -> dict[str, object]:
    async def ready() -> dict[str, object] | None:
        try:
            told = await state_of(node)
        except Exception:
            return None
        return told if told["phase"] == "ready" else None

    return await eventually(ready, "a ready node", every=0.1)


async def test_a_group_comes_scales_and_goes_and_leaves_nothing(
    platform: Platform, yard: Yard
) -> None:
    group = await yard.group()
    await yard.applied(group, 2)
    first, second = await yard.running(group, 2)
    assert (first.number, second.number) == (0, 1)
    assert first.id != second.id
    told = await until_ready(first)
    assert told["node"] == first.id
    for node in (first, second):
        await eventually(partial(platform.counts, node), "ready to the platform", every=0.1)
    await yard.fleet.apply(group, 1)
    [kept] = await yard.running(group, 1)
    assert kept.id == first.id
    assert group.name in await yard.fleet.groups()
    for fleet in (yard.fleet, yard.beside):
        assert "environment" in await fleet.story(group.name, group.program, tail=50)
    await yard.gone(group)
    assert await yard.of(group) == []

    async def forgotten() -> bool:
        """Also by an engine that does not remove at once what it is told to."""
        await yard.gone(group)
        return group.name not in await yard.fleet.groups()

    await eventually(forgotten, "nothing is left", every=0.1)
    assert await yard.fleet.delete(group.name, **_AT_ONCE), "again"


async def test_two_hosts_that_ask_for_the_same_make_it_once(yard: Yard) -> None:
    group = await yard.group()
    await yard.applied(group, 1)

    async def both() -> bool:
        told = await asyncio.gather(yard.fleet.apply(group, 3), yard.beside.apply(group, 3))
        return all(each.prepared for each in told)

    await eventually(both, "applied by both", every=0.1)
    nodes = await yard.running(group, 3)
    assert [node.number for node in nodes] == [0, 1, 2]

    async def alike() -> bool:
        """Each sees the platform by itself, one a moment before the other."""
        told = await asyncio.gather(yard.fleet.nodes(), yard.beside.nodes())
        return {n.id for n in told[0]} == {n.id for n in told[1]} >= {n.id for n in nodes}

    await eventually(alike, "the same nodes", every=0.1)


async def test_another_installation_s_nodes_are_neither_shown_nor_touched(yard: Yard) -> None:
    group = await yard.group()
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)
    assert await yard.foreign.nodes() == []
    assert await yard.foreign.groups() == []
    assert await yard.foreign.delete(group.name, **_AT_ONCE)
    [still] = await yard.running(group, 1)
    assert still.id == node.id


async def test_a_node_that_is_replaced_ends_and_another_life_takes_its_number(
    yard: Yard, platform: Platform
) -> None:
    group = await yard.group()
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)
    await until_ready(node)
    await yard.fleet.replace(node, "It was silent.")
    ended = await yard.ended(group)
    assert (ended.id, ended.reason, ended.hopeless) == (node.id, "It was silent.", False)
    if platform.keeps_words:
        await yard.printed(group, "listens on port")
    other = await yard.up(group, after=node)
    assert other.number == 0


BUSY = """
import threading


def init():
    pass


def run(data):
    print("at it", flush=True)
    threading.Event().wait()
"""


async def test_a_node_that_is_wanted_again_comes_beside_one_that_is_on_its_way_out(
    yard: Yard, platform: Platform
) -> None:
    if platform.name not in ("docker", "container_apps"):
        pytest.skip("other platforms number no nodes")
    group = replace(await yard.group(BUSY), drain=PATIENCE)
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)
    await until_ready(node)
    http, secret = UnixHttp(), [("ml-endpoints-node-secret", SECRET)]
    assert node.address is not None
    scoring = http.request(node.address, "POST", "/score", secret, b"1", timeout=2 * PATIENCE)
    asked = asyncio.create_task(scoring)

    async def at_it() -> bool:
        path = "/node/logs?kind=InferenceServer&tail=5"
        answer = await http.request(str(node.address), "GET", path, secret, timeout=PATIENCE)
        return isinstance(answer.body, bytes) and b"at it" in answer.body

    await eventually(at_it, "a request in hand")
    await yard.fleet.apply(group, 0)
    other = await yard.up(group, after=node)
    assert other.number == 0
    assert not asked.done(), "whose node has as long as it takes"
    await yard.gone(group)  # which is sooner
    assert await is_cut_off(asked)
    http.close()


async def is_cut_off(asked: asyncio.Task[UnixResponse]) -> bool:
    """What is between here and a node may say so itself."""
    try:
        return (await asked).status >= 500
    except InstanceLost:
        return True


async def test_an_image_that_is_not_there_is_named(yard: Yard, platform: Platform) -> None:
    if platform.name == "real_cluster":
        pytest.skip("its base images are whatever its registry has")
    group = await yard.group(environment=EnvironmentSpec("3.9", ()))
    progress = await yard.applied(group, 1)
    assert progress.failure is not None
    assert progress.failure.code == "ImageBuildFailure"
    assert "ml-endpoints-test-base:3.9" in progress.failure.reason
    assert await yard.of(group) == []


async def test_a_package_that_is_not_there_is_named(yard: Yard) -> None:
    group = await yard.group(environment=EnvironmentSpec("3.11", ("no-such-package-at-all==7",)))
    progress = await yard.applied(group, 1)
    assert progress.failure is not None
    assert "no-such-package-at-all" in progress.failure.reason
    again = await yard.fleet.apply(group, 1)
    assert again.failure is not None, "it stays failed until another attempt"


async def test_an_entry_that_exits_says_why_and_is_not_tried_again(yard: Yard) -> None:
    group = await yard.group(mode="neither")
    await yard.applied(group, 1)
    ended = await yard.ended(group)
    assert ended.hopeless
    assert ended.code == "BadArgument"
    assert "mode" in str(ended.reason)
    await yard.fleet.apply(group, 1)
    assert (await yard.ended(group)).id == ended.id


async def test_a_deployment_that_takes_too_much_memory_is_told_so(
    yard: Yard, platform: Platform
) -> None:
    if platform.name == "container_apps":
        pytest.skip("Container Apps say nothing of a process that ends inside a container")
    greedy = "KEPT = bytearray(2 * 10**8)\ndef init(): pass\ndef run(data): return 1\n"
    group = await yard.group(greedy, memory=96 * 2**20)
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)

    async def explained() -> str | None:
        return await yard.fleet.explain(node)

    told: str = await eventually(explained, "why it died", every=0.2)
    assert told == "It ran out of memory: its container has 96 MiB of memory."


async def test_a_good_node_has_nothing_to_explain(yard: Yard) -> None:
    group = await yard.group()
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)
    assert await yard.fleet.explain(node) is None


async def test_another_attempt_begins_anew(yard: Yard) -> None:
    group = await yard.group(mode="neither")
    await yard.applied(group, 1)
    ended = await yard.ended(group)
    mended = replace(group, attempt=1, spec={**group.spec, "mode": "serve"})

    node = await yard.up(mended)
    assert node.attempt == 1
    assert node.id != ended.id


async def test_where_there_is_no_way_out_a_node_is_reached_all_the_same(
    yard: Yard, platform: Platform, tmp_path: Path
) -> None:
    if platform.name != "docker":
        pytest.skip("what leaves a network is held by the platform that has it")
    engine, name = given_engine(), f"{tmp_path.stat().st_ino:x}c"
    fleet = docker(engine.url, yard.blobs, tmp_path / "closed", name, closed=True)
    closed = replace(yard, fleet=fleet)
    group = await closed.group()
    await closed.applied(group, 1)
    [node] = await closed.running(group, 1)
    assert (await until_ready(node))["node"] == node.id

    def networks() -> list[bool]:
        found = engine.get("networks", filters={"label": [f"{INSTALLATION}={name}"]})
        return [each["Internal"] for each in found]

    assert networks() == [True]
    await closed.gone(group)
    await eventually(lambda: networks() == [], "no network")
    await fleet.close()


async def test_one_deployment_is_without_a_way_out_beside_others(
    yard: Yard, platform: Platform
) -> None:
    if platform.name != "docker":
        pytest.skip("what leaves a network is held by the platform that has it")
    group, other = await yard.group(), await yard.group()
    group = replace(group, program=replace(group.program, closed=True))
    addresses = []
    for each in (group, other):
        await yard.applied(each, 1)
        [node] = await yard.running(each, 1)
        assert (await until_ready(node))["node"] == node.id
        addresses.append(ip_address((node.address or "").rpartition(":")[0]))
    there = {
        config["Subnet"]: each["Internal"]
        for each in given_engine().get("networks")
        for config in each["IPAM"]["Config"] or ()
    }
    found = [
        there[known.network]
        for address in addresses
        for known in await yard.fleet.networks()
        if address in ip_network(known.network)
    ]
    assert found == [True, False]


async def test_a_platform_that_is_away_is_unavailable(
    yard: Yard, platform: Platform, tmp_path: Path
) -> None:
    nowhere = platform.nowhere(yard.blobs, tmp_path, "nowhere")
    with pytest.raises(Unavailable, match=platform.missing):
        await nowhere.nodes()
    with pytest.raises(Unavailable):
        await nowhere.groups()
    await nowhere.close()
