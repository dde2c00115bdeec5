"""What everything takes of disk and Blob, counted within bounds."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from domain.errors import Invalid
from domain.ports import DiskState, DiskUse, EnvironmentSpec
from domain.usage.storage_usages import StorageUsage, StorageUsages
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage


class ToldDisk(DiskUse):
    def __init__(self, **logs: int) -> None:
        self.logs: Mapping[str, int] = logs

    async def of_workload(self, key: str) -> int:
        return self.logs.get(key.rpartition("/")[2], 0)

    async def of_environment(self, spec: EnvironmentSpec) -> int:
        return 1000

    async def state(self) -> DiskState | None:
        return None


async def all_of(usages: StorageUsages, type: str | None = None) -> list[StorageUsage]:
    found: list[StorageUsage] = []
    continuation: str | None = None
    while True:
        page, continuation = await usages.page(type, 1, continuation)
        found += page
        if continuation is None:
            return found


async def test_everything_is_listed_with_what_it_takes(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload({"a.txt": "a", "b.txt": "b"})
        job = await stage.invoke()
        await stage.pump()
        await stage.blobs.write("batch-inbox", f"{ENDPOINT}/x.txt", b"dropped")
        usages = StorageUsages(stage.store, stage.blobs, ToldDisk(blue=50))
        found = {(each.collection, *each.names): each for each in await all_of(usages)}
        assert [key[0] for key in found] == [
            "batchEndpoints",
            "batchEndpoints/deployments",
            "jobs",
            "codes/versions",
            "environments/versions",
        ]
        endpoint = found["batchEndpoints", ENDPOINT]
        assert (endpoint.blobs, endpoint.blob_bytes, endpoint.disk_bytes) == (1, 7, 50)
        assert found["batchEndpoints/deployments", ENDPOINT, "blue"].disk_bytes == 50
        code = found["codes/versions", "code", "1"]
        assert (code.blobs, code.blob_bytes) == (1, len(b"def run(mini_batch): ...\n"))
        assert found["environments/versions", "env", "1"].disk_bytes == 1000
        [run] = await all_of(usages, "Jobs")
        written = [blob async for blob in stage.blobs.list(STORE, f"azureml/{job}/")]
        kept = [blob async for blob in stage.blobs.list("system", f"jobs/{job}/")]
        assert run == found["jobs", job]
        assert run.blobs == len(written) + len(kept)
        assert run.blob_bytes == sum(blob.size for blob in (*written, *kept))
        assert run.is_complete


async def test_of_very_many_files_as_many_are_counted_as_is_quick(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.put_endpoint()
        folder = tmp_path / "blobs" / "batch-inbox" / ENDPOINT
        folder.mkdir(parents=True)
        for number in range(11):
            (folder / str(number)).touch()
        usages = StorageUsages(stage.store, stage.blobs, ToldDisk(), most_blobs=10)
        [endpoint] = await all_of(usages, "batchEndpoints")
        assert (endpoint.blobs, endpoint.is_complete) == (10, False)


async def test_what_is_no_type_and_no_continuation_is_refused(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        usages = StorageUsages(stage.store, stage.blobs, ToldDisk())
        with pytest.raises(Invalid, match="There is no type 'x' here; there are onlineEndpoints,"):
            await usages.page("x", 1, None)
        for never_given in ("x", "jobs|x"):
            with pytest.raises(Invalid):
                await usages.page(None, 1, never_given)
