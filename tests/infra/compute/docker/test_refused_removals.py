"""What an engine will not take away keeps nothing from going, and goes once it will."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from infra.compute.docker import labels
from infra.compute.docker.docker_fleet import DockerFleet
from infra.compute.docker.engine import Engine
from infra.compute.docker.engine_room import EngineRoom
from infra.compute.docker.image_builds import ImageBuilds
from infra.compute.docker.network.metadata_guard import MetadataGuard
from infra.compute.docker.network.networks import Networks
from infra.compute.docker.removal.refusals import LASTING
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.shelves import NO_SHELVES
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.kit.stages.engine_images import engine_images
from tests.kit.waiting import eventually
from tests.kit.web_server import WebServer, reply, web_server

BUSY = (
    'driver "overlay2" failed to remove root filesystem: unlinkat merged: device or resource busy'
)
GROUP = "blue-1"


@dataclass
class BusyEngine:
    """It has one container and one volume, each of which it removes once it `lets_go` of its
    kind."""

    web: WebServer
    state: str = "running"
    there: set[str] = field(default_factory=lambda: {"containers", "volumes", "networks"})
    lets_go: set[str] = field(default_factory=lambda: {"volumes", "networks"})
    stays_alive: bool = False
    refused: int = 0

    def __post_init__(self) -> None:
        self._says("containers/json", self._containers)
        self._says("networks", lambda: [NETWORK] if "networks" in self.there else [])
        self._says("images/json", list)
        self._says("containers/one/json", lambda: {"State": {"ExitCode": 0}})
        self._says("containers/one/logs", list)
        self.web.answers["/v1.41/containers/one"] = lambda asked: self._remove(asked, "containers")
        self.web.answers["/v1.41/networks/n1"] = lambda asked: self._remove(asked, "networks")
        volume = f"/v1.41/volumes/{labels.Labels('a1').volume(GROUP, 'model')}"
        self.web.answers[volume] = lambda asked: self._remove(asked, "volumes")

    def _says(self, path: str, told: Any) -> None:
        self.web.answers[f"/v1.41/{path}"] = lambda request: reply(
            request, 200, json.dumps(told()).encode(), content_type="application/json"
        )

    def _containers(self) -> list[Any]:
        told = {labels.GROUP: GROUP, labels.NUMBER: "0", labels.LIFE: "1", labels.LIVES: "1"}
        one = {"Id": "one", "State": self.state, "Labels": {**told, labels.ATTEMPT: "0"}}
        return [one] if "containers" in self.there else []

    def _remove(self, request: BaseHTTPRequestHandler, kind: str) -> None:
        if kind not in self.there:
            return reply(request, 404, b"{}")
        if kind in self.lets_go:
            self.there.discard(kind)
            return reply(request, 204, b"")
        self.refused += 1
        if kind == "containers" and not self.stays_alive:
            self.state = "dead"
        reply(request, 500, json.dumps({"message": BUSY}).encode())


NETWORK = {"Id": "n1", "Name": labels.Labels("a1").network(closed=False), "Created": "2026-11-30"}


@dataclass
class Stage:
    fleet: DockerFleet
    engine: BusyEngine
    now: float = 0.0

    async def gone(self) -> bool:
        """As a keeper asks, a while after it asked before."""
        self.now += 1000.0
        await self.fleet.nodes()
        return await self.fleet.delete(GROUP, linger=0.0, grace=0.0)

    async def refused(self, times: int) -> None:
        """Returns once the engine has been asked so often, and nobody has been told that it is
        gone."""

        async def asked() -> bool:
            before = self.engine.refused
            told = await self.gone()
            assert not told or before >= LASTING
            return self.engine.refused >= times

        await eventually(asked, f"{times} refusals")

    async def until_gone(self) -> None:
        await eventually(self.gone, "nobody waits for it")


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
async def stage(web: WebServer, tmp_path: Path) -> AsyncIterator[Stage]:
    async def installation() -> str:
        return "a1"

    engine = Engine(web.url)
    blobs = FileBlobStore(tmp_path, base_url="http://localhost", key=b"k" * 32)
    images = engine_images(engine, blobs, "base", tmp_path / "images")
    guard = MetadataGuard(engine, ImageBuilds(engine, {}), "base", required=False)
    networks, room = Networks(engine, guard, closed=False), EngineRoom(LocalLimits())
    fleet = DockerFleet(
        engine,
        images,
        networks,
        installation,
        mounts=(),
        shelves=NO_SHELVES,
        room=room,
        now=lambda: held.now,
    )
    held = Stage(fleet, BusyEngine(web))
    yield held
    await fleet.close()
    await blobs.close()


async def test_what_the_engine_refuses_for_a_while_is_waited_for_and_goes(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.refused(2)
    assert stage.engine.there == {"containers", "volumes", "networks"}
    stage.engine.lets_go.add("containers")
    await stage.until_gone()
    assert stage.engine.there == set()
    assert await stage.fleet.groups() == []
    assert BUSY not in caplog.text


async def test_what_the_engine_refuses_for_ever_is_told_and_keeps_nobody_waiting(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.until_gone()
    assert stage.engine.refused >= LASTING
    assert await stage.fleet.nodes() == [], "it is no node any more"
    assert stage.engine.there == {"containers", "volumes"}, "the network has gone with the last"
    assert await stage.fleet.groups() == [GROUP], "whoever looks for what is left finds it"
    assert caplog.text.count(BUSY) == 1

    again = stage.engine.refused + 1
    await stage.refused(again)
    assert caplog.text.count(BUSY) == 1, "the same reason is not told again"

    stage.engine.lets_go.add("containers")

    async def nothing_left() -> bool:
        await stage.gone()
        return await stage.fleet.groups() == []

    await eventually(nothing_left, "it goes when the engine lets it")
    assert stage.engine.there == set()


async def test_nothing_that_runs_is_taken_for_gone(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.engine.stays_alive = True
    for times in range(2 * LASTING):
        assert not await stage.gone()
        await stage.refused(times)
    [node] = await stage.fleet.nodes()
    assert node.group == GROUP
    assert BUSY in caplog.text


async def test_a_volume_that_the_engine_keeps_is_not_waited_for_for_ever(stage: Stage) -> None:
    stage.engine.lets_go = {"containers", "networks"}
    await stage.until_gone()
    assert stage.engine.refused >= LASTING
    assert await stage.fleet.groups() == [GROUP]
    stage.engine.lets_go.add("volumes")
    await stage.until_gone()
    assert stage.engine.there == set()
    assert await stage.fleet.groups() == []


async def test_it_is_asked_less_and_less_often(stage: Stage) -> None:
    stage.engine.lets_go = {"containers"}
    stage.engine.there = {"volumes"}
    for pause in (0.5, 1.0, 2.0, 4.0):
        asked = stage.engine.refused
        await stage.fleet.delete(GROUP, linger=0.0, grace=0.0)
        stage.now += pause * 0.9
        await stage.fleet.delete(GROUP, linger=0.0, grace=0.0)
        assert stage.engine.refused == asked + 1
        stage.now += pause * 0.1
