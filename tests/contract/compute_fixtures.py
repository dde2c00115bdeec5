"""Computes that the suites of Serving, Workers and Capabilities run over. One of each for a
module of tests, which share what it builds; each deployment and job there has a key of its own."""

import asyncio
import contextlib
import itertools
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from infra.cloud.ample_room import AmpleRoom
from infra.compute.choice import Beside, chosen_compute
from infra.compute.docker.labels import INSTALLATION
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.identity_lending import NothingLent
from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.local_compute import LocalCompute
from infra.compute.remote.installation import Installation
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.blobs.rest.bearers import NoBearers
from infra.embedded.blobs.rest.door import BlobDoor
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.nodes.host_lending import HostLending, LaterLending
from infra.embedded.nodes.nodes_door import NodesDoor
from infra.settings.adapters import ComputeSettings, DoorSettings
from tests.kit.apps.told_compute import ToldCompute
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.compute_place import Place
from tests.kit.stages.isolation import cells, isolated
from tests.servers.engine.dockerd import BASE
from tests.servers.engine.given import given_engine

__all__ = [
    "compute_family",
    "docker_open_compute",
    "docker_place",
    "local_open_compute",
    "local_place",
    "open_compute",
    "place",
]

UV = shutil.which("uv", path=Path(sys.executable).parent) or "uv"


class OpenCompute(Protocol):
    """What a host's start and end make of a folder of its own."""

    def __call__(self, folder: Path) -> AbstractAsyncContextManager[Place]: ...


@pytest.fixture(scope="module", params=["local"])
def compute_family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def place(compute_family: str, request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{compute_family}_place")
    return found


@pytest.fixture(scope="module")
def open_compute(compute_family: str, request: pytest.FixtureRequest) -> OpenCompute:
    found: OpenCompute = request.getfixturevalue(f"{compute_family}_open_compute")
    return found


@contextlib.asynccontextmanager
async def _local(folder: Path) -> AsyncIterator[Place]:
    blobs = FileBlobStore(folder, base_url="http://localhost", key=b"k" * 32)
    compute = LocalCompute(
        folder,
        blobs,
        OutputsInPlace(folder / "blobs"),
        uv=UV,
        packages=USUAL_PACKAGES,
        isolation=cells(isolated(folder / "gates"), folder),
        limits=LocalLimits(),
    )
    try:
        yield Place(
            blobs,
            compute.capabilities,
            compute.serving,
            compute.scorer,
            compute.workers,
            gates=folder / "gates",
            numbers=_numbers,
        )
    finally:
        await compute.close()
        await blobs.close()


_numbers = itertools.count()


@pytest.fixture(scope="module")
def local_open_compute() -> OpenCompute:
    return _local


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def local_place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with _local(tmp_path_factory.mktemp("compute")) as place:
        yield place


@contextlib.asynccontextmanager
async def _docker(folder: Path) -> AsyncIterator[Place]:
    engine = given_engine()
    blobs = FileBlobStore(folder, base_url="http://localhost", key=b"k" * 32)
    store = SqliteResourceStore(folder / "documents.db")
    gates = folder / "gates"
    gates.mkdir(parents=True, exist_ok=True)
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    gates.chmod(0o777)  # containers have a user of their own
    settings = ComputeSettings(
        kind="docker", engine=engine.url, base_image=BASE, mounts=(f"{gates}:{gates}",)
    )
    cipher = FernetCipher(folder / "cipher.key")
    lending = LaterLending()
    beside = Beside(
        folder,
        blobs,
        folder / "blobs",
        store,
        cipher,
        USUAL_PACKAGES,
        NothingLent(),
        lending,
    )
    compute = chosen_compute(ToldCompute(settings), "embedded", beside)
    assert compute.gateway is not None
    blob_door = BlobDoor(blobs.files, blobs.signed_urls, NoBearers(), AmpleRoom())
    door = NodesDoor(blob_door, compute.gateway, None, folder / "tls", DoorSettings())
    blobs.lend_at(door.url)
    lending.by = HostLending(door, blob_door, compute.shelves)
    place = Place(
        blobs,
        compute.capabilities,
        compute.serving,
        compute.scorer,
        compute.workers,
        gates=gates,
        numbers=_numbers,
    )
    try:
        yield place
    finally:
        await compute.close()
        await door.close()
        await store.close()
        await blobs.close()


@pytest.fixture(scope="module")
def docker_open_compute() -> Iterator[OpenCompute]:
    """What its hosts leave, for the next, goes at the end."""
    folders: set[Path] = set()

    @contextlib.asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Place]:
        folders.add(folder)
        async with _docker(folder) as place:
            yield place

    yield opened
    for folder in folders:
        asyncio.run(_clear(folder))


async def _clear(folder: Path) -> None:
    """Nothing runs any more of what ran for `folder`."""
    store = SqliteResourceStore(folder / "documents.db")
    engine = given_engine()
    for container in engine.containers(f"{INSTALLATION}={await Installation(store).id()}"):
        engine.do("DELETE", f"containers/{container['Id']}", force=True)
    await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def docker_place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("containers")
    async with _docker(folder) as place:
        yield place
        for key in (*await place.serving.keys(), *await place.workers.keys()):
            await place.end(key)
    await _clear(folder)
