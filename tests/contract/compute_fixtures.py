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

from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.local_compute import LocalCompute
from infra.compute.local.local_limits import LocalLimits
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.compute_place import Place

__all__ = ["compute_family", "local_open_compute", "local_place", "open_compute", "place"]

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
        limits=LocalLimits(),
    )
    try:
        yield Place(
            blobs,
            compute.capabilities,
            compute.serving,
            compute.scorer,
            compute.workers,
            gates=folder,
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
