"""The local compute on a temporary folder."""

import contextlib
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from domain.ports import Instance
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.isolation.means import Wish
from infra.compute.local.local_compute import LocalCompute
from infra.compute.package_sources import PackageSources
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.compute_place import Place
from tests.kit.stages.isolation import TOGETHER, cells
from tests.kit.waiting import PATIENCE

UV = str(Path(sys.executable).with_name("uv")) if shutil.which("uv") is None else "uv"


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone, maybe as it is read
        return False
    return state not in {"Z", "X"}


class House(Place):
    """Everything under the data folder `data`."""

    def __init__(self, data: Path, blobs: FileBlobStore, compute: LocalCompute) -> None:
        super().__init__(
            blobs,
            compute.capabilities,
            compute.serving,
            compute.scorer,
            compute.workers,
            gates=data,
        )
        self.data = data
        self.compute = compute

    def ready_workers(self, key: str) -> list[Instance]:
        """Those of a job's pool."""
        pool = self.compute.workers.pools.pool(key)
        return [each.instance for each in pool.fleet.ready] if pool else []


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as house:
        yield house


@contextlib.asynccontextmanager
async def opened(
    folder: Path,
    *,
    uv: str = UV,
    packages: PackageSources = USUAL_PACKAGES,
    isolation: Wish = TOGETHER,
    lease_wait: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    **limits: Any,
) -> AsyncIterator[House]:
    """A house in `folder` with a compute of these limits."""
    blobs = FileBlobStore(folder, base_url="http://localhost", key=b"k" * 32)
    outputs = OutputsInPlace(folder / "blobs")
    kept = LocalLimits(lease_wait=lease_wait, **limits)
    compute = LocalCompute(
        folder,
        blobs,
        outputs,
        uv=uv,
        packages=packages,
        isolation=cells(isolation, folder),
        limits=kept,
        clock=clock,
    )
    await compute.start()
    try:
        yield House(folder, blobs, compute)
    finally:
        await compute.close()
        await blobs.close()
