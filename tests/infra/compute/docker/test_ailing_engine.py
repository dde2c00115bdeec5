"""An engine that answers, and does not do well."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Unavailable
from infra.compute.docker import labels
from infra.compute.docker.docker_fleet import DockerFleet
from infra.compute.docker.engine import Engine, EngineRefusal
from infra.compute.docker.engine_room import EngineRoom
from infra.compute.docker.image_builds import ImageBuilds
from infra.compute.docker.labels import Labels
from infra.compute.docker.network.metadata_guard import MetadataGuard
from infra.compute.docker.network.networks import Networks
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.remote.fleet import NodeState
from infra.compute.shelves import NO_SHELVES
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.kit.stages.engine_images import engine_images
from tests.kit.web_server import WebServer, reply, web_server


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
async def engine(web: WebServer) -> AsyncIterator[Engine]:
    engine = Engine(web.url)
    yield engine
    await engine.close()


def says(web: WebServer, path: str, told: Any, status: int = 200) -> None:
    content = json.dumps(told).encode()
    web.answers[f"/v1.41/{path}"] = lambda request: reply(
        request, status, content, content_type="application/json"
    )


def networks_of(engine: Engine) -> Networks:
    guard = MetadataGuard(engine, ImageBuilds(engine, {}), "base", required=False)
    return Networks(engine, guard, closed=False)


async def test_one_that_fails_at_a_question_cannot_be_asked(web: WebServer, engine: Engine) -> None:
    says(web, "containers/json", {"message": "no store"}, 500)
    says(web, "images/json", {"message": "no such filter"}, 400)
    with pytest.raises(Unavailable, match="failed: no store"):
        await engine.get("containers/json")
    with pytest.raises(EngineRefusal, match="no such filter"):
        await engine.get("images/json")
    assert await engine.find("images/none/json") is None


async def test_a_network_that_another_host_has_removed_is_not_gone_by(
    web: WebServer, engine: Engine
) -> None:
    mine, networks = Labels("a1"), networks_of(engine)
    for id in ("first", "second"):
        name = mine.network(closed=False)
        says(web, "networks", [{"Id": id, "Name": name, "Created": "2026-11-30"}])
        says(web, f"networks/{id}", {"IPAM": {"Config": [{"Gateway": f"{id}/8", "Subnet": "x"}]}})
        assert (await networks.gateway(mine)).address == id


async def test_a_container_of_which_the_engine_knows_nothing_any_more_hides_no_other(
    web: WebServer, engine: Engine, tmp_path: Path
) -> None:
    async def installation() -> str:
        return "a1"

    blobs = FileBlobStore(tmp_path, base_url="http://localhost", key=b"k" * 32)
    images = engine_images(engine, blobs, "base", tmp_path / "images")
    networks, room = networks_of(engine), EngineRoom(LocalLimits())
    fleet = DockerFleet(
        engine,
        images,
        networks,
        installation,
        mounts=(),
        shelves=NO_SHELVES,
        room=room,
        now=time.monotonic,
    )
    says(web, "containers/json", [listed("lost", 0, "dead"), listed("good", 1, "running")])
    says(web, "containers/lost/json", {"message": "RWLayer is unexpectedly nil"}, 500)
    lost, good = await fleet.nodes()
    assert (lost.number, lost.state, lost.hopeless) == (0, NodeState.ENDED, False)
    assert "RWLayer is unexpectedly nil" in str(lost.reason)
    assert (good.number, good.state) == (1, NodeState.RUNNING)
    await fleet.close()
    await blobs.close()


def listed(id: str, number: int, state: str) -> dict[str, Any]:
    told = {labels.GROUP: "g", labels.NUMBER: str(number)}
    return {
        "Id": id,
        "State": state,
        "Labels": {**told, labels.LIFE: "1", labels.LIVES: "1", labels.ATTEMPT: "0"},
    }
