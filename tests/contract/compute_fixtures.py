"""Computes that the suites of Serving, Workers and Capabilities run over. One of each for a
module of tests, which share what it builds; each deployment and job there has a key of its own."""

import contextlib
import itertools
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from infra.compute.choice import Beside, chosen_compute
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.identity_lending import NothingLent
from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.local_compute import LocalCompute
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.settings.adapters import ComputeSettings
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
    gates.mkdir(exist_ok=True)
    gates.chmod(0o777)  # containers have a user of their own
    settings = ComputeSettings(
        kind="docker", engine=engine.url, base_image=BASE, mounts=(f"{gates}:{gates}",)
    )
    cipher = FernetCipher(folder / "cipher.key")
    beside = Beside(folder, blobs, folder / "blobs", store, cipher, USUAL_PACKAGES, NothingLent())
    compute = chosen_compute(settings, "embedded", beside)
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
        await store.close()
        await blobs.close()


@pytest.fixture(scope="module")
def docker_open_compute() -> OpenCompute:
    return _docker


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def docker_place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("containers")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    async with _docker(folder) as place:
        yield place
        for key in await place.serving.keys():
            await place.end(key)
