"""What deleted versions and given-up uploads leave behind is freed once nothing uses it."""

import contextlib
import logging
import random
from pathlib import Path
from typing import Any

import pytest

from domain.assets.asset import (
    CODES,
    DATA,
    MODELS,
    AssetKind,
    DataVersionProperties,
    ModelVersionProperties,
    VersionProperties,
)
from domain.errors import Conflict, StorageFull
from domain.ground.resource import Conditions, Wanted
from domain.jobs.records.job_status import JobStatus
from domain.schedules.schedule import ScheduleProperties
from tests.kit.mischief import Crash, Mischief
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage

ANY = Conditions()
HASHED = "LocalUpload/0123456789abcdef"


class Shelf:
    """Versions of one stage, and the files that they name."""

    def __init__(self, stage: BatchStage) -> None:
        self.stage = stage

    @property
    def registration(self) -> Any:
        return self.stage.application.assets.registration

    async def uploaded(self, kind: AssetKind = MODELS, name: str = "iris") -> str:
        """A container with three files, put there for one version."""
        pending = await self.registration.uploads.start(kind, name, "1")
        container: str = pending.blob_uri.rpartition("/")[2]
        for file in ("m/model.pkl", "m/deep/words.txt", "beside.txt"):
            await self.stage.blobs.write(container, file, b"x")
        return container

    async def put(self, uri: str, version: str = "1", kind: AssetKind = MODELS) -> None:
        wanted: VersionProperties = ModelVersionProperties(model_uri=uri)
        if kind is DATA:
            wanted = DataVersionProperties(data_uri=uri)
        await self.registration.put_version(kind, "iris", version, wanted, "me", ANY)

    async def delete(self, version: str = "1", kind: AssetKind = MODELS) -> bool:
        found: bool = await self.registration.delete_version(kind, "iris", version, ANY)
        return found

    async def after(self, minutes: float) -> None:
        """What the sweep does until then."""
        steps = min(round(minutes * 2), 8)
        for _ in range(steps):
            self.stage.clock.move(minutes * 60 / steps)
            await self.stage.application.sweeping.sweep()

    async def files(self, container: str) -> list[str]:
        return [blob.name async for blob in self.stage.blobs.list(container)]

    def at(self, container: str, path: str) -> str:
        return self.stage.blobs.url(container, path)


@pytest.fixture
async def shelf(tmp_path: Path) -> Any:
    async with BatchStage(tmp_path) as stage:
        yield Shelf(stage)


async def test_what_was_uploaded_for_a_version_goes_with_it(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    container = await shelf.uploaded()
    await shelf.put(shelf.at(container, "m"))
    await shelf.after(60)
    assert len(await shelf.files(container)) == 3
    lists = await shelf.files("system")
    assert [name for name in lists if name.startswith("assets/")]
    assert await shelf.delete()
    assert not await shelf.delete()
    with caplog.at_level(logging.INFO, "ml_endpoints.assets"):
        await shelf.after(3)
    assert await shelf.files(container) == []
    assert not [name for name in await shelf.files("system") if name.startswith("assets/")]
    [told] = [each for each in caplog.records if getattr(each, "action", "") == "asset_files_freed"]
    assert told.getMessage() == "3 files (3 bytes) of models/iris:1, which was deleted, are freed"
    await shelf.after(24 * 60)
    await shelf.after(3)
    assert await shelf.stage.store.due(shelf.stage.clock.time + 1e9) == []


@pytest.mark.parametrize(
    "container", [STORE, "azureml-blobstore-0b8c9a52-5d5f-4c7e-9d0a-0123456789ab", "azureml-mine"]
)
async def test_files_in_a_place_of_the_user_s_stay(shelf: Shelf, container: str) -> None:
    await shelf.stage.blobs.write(container, "mine/model.pkl", b"x")
    await shelf.put(shelf.at(container, "mine"))
    await shelf.delete()
    await shelf.after(60)
    assert await shelf.files(container) == ["mine/model.pkl"]


async def test_what_the_sdk_has_put_by_its_hash_stays_until_the_last_version_of_it_goes(
    shelf: Shelf,
) -> None:
    await shelf.stage.blobs.write(STORE, f"{HASHED}/model/a.bin", b"x")
    await shelf.stage.blobs.write(STORE, "LocalUpload/0123456789abcdef0/b.bin", b"x")
    uri = f"azureml://datastores/{STORE}/paths/{HASHED}/model"
    for version in ("1", "2"):
        await shelf.put(uri, version)
    await shelf.put(uri, "1", DATA)
    for version, kind in (("1", MODELS), ("2", MODELS), ("1", DATA)):
        assert f"{HASHED}/model/a.bin" in await shelf.files(STORE)
        await shelf.delete(version, kind)
        await shelf.after(3)
    assert await shelf.files(STORE) == ["LocalUpload/0123456789abcdef0/b.bin"]


async def test_all_versions_of_a_container_leave_nothing(shelf: Shelf) -> None:
    containers = [await shelf.uploaded() for _ in range(3)]
    for number, container in enumerate(containers):
        await shelf.put(shelf.at(container, "m"), str(number + 1))
    await shelf.registration.containers.delete(MODELS, "iris", ANY)
    await shelf.after(3)
    assert [await shelf.files(container) for container in containers] == [[], [], []]


async def test_a_job_and_a_schedule_keep_the_files_they_read(shelf: Shelf) -> None:
    stage = shelf.stage
    await stage.deploy()
    container = await shelf.uploaded(DATA)
    uri = shelf.at(container, "m")
    await shelf.put(uri, kind=DATA)
    read = {"inputData": {"data": {"jobInputType": "UriFolder", "uri": uri}}}
    nightly = ScheduleProperties.model_validate(
        {
            "trigger": {"triggerType": "Cron", "expression": "0 3 * * *"},
            "action": {
                "actionType": "InvokeBatchEndpoint",
                "endpointInvocationDefinition": {"endpointName": ENDPOINT, "properties": read},
            },
        }
    )
    wanted = Wanted[ScheduleProperties](properties=nightly)
    await stage.schedules.put("nightly", wanted, "me", ANY)
    await shelf.delete(kind=DATA)
    await shelf.after(30)
    assert len(await shelf.files(container)) == 3
    await stage.schedules.delete("nightly", ANY)
    await shelf.after(30)
    assert await shelf.files(container) == []


async def test_a_version_that_a_running_job_or_a_schedule_names_is_not_deleted(
    shelf: Shelf,
) -> None:
    stage = shelf.stage
    await stage.deploy()
    await stage.upload({"a": "a"})
    job = await stage.invoke()
    with pytest.raises(Conflict, match=f"is used by .*{ENDPOINT}/blue, job {job}") as refused:
        await shelf.registration.delete_version(CODES, "code", "1", ANY)
    assert refused.value.code == "AssetInUse"
    await stage.pump()
    assert (await stage.jobs.get(job)).job.status is JobStatus.COMPLETED
    with pytest.raises(Conflict) as refused:
        await shelf.registration.delete_version(CODES, "code", "1", ANY)
    assert f"job {job}" not in refused.value.message


async def test_nothing_is_registered_where_files_are_about_to_go_and_what_was_keeps_them(
    shelf: Shelf,
) -> None:
    await shelf.stage.blobs.write(STORE, f"{HASHED}/m/a.bin", b"x")
    uri = f"azureml://datastores/{STORE}/paths/{HASHED}/m"
    await shelf.put(uri)
    await shelf.delete()
    await shelf.put(uri, "2")  # in time: it is the same place
    await shelf.after(3)
    assert await shelf.files(STORE) == [f"{HASHED}/m/a.bin"]
    await shelf.delete("2")
    await shelf.after(0.5)
    with pytest.raises(Conflict, match="are being deleted") as refused:
        await shelf.put(uri, "3")
    assert refused.value.code == "AssetFilesAreDeleted"
    await shelf.after(3)
    await shelf.stage.blobs.write(STORE, f"{HASHED}/m/a.bin", b"x")
    await shelf.put(uri, "3")


async def test_an_upload_that_nothing_is_registered_from_goes_after_a_day(shelf: Shelf) -> None:
    given_up, used = await shelf.uploaded(), await shelf.uploaded()
    await shelf.put(shelf.at(used, "m"))
    await shelf.after(23 * 60)
    assert len(await shelf.files(given_up)) == 3
    await shelf.after(62)
    await shelf.after(3)
    assert await shelf.files(given_up) == []
    assert len(await shelf.files(used)) == 3


async def test_no_upload_is_begun_without_room(shelf: Shelf) -> None:
    shelf.stage.room.is_full = True
    with pytest.raises(StorageFull):
        await shelf.uploaded()


@pytest.mark.parametrize("seed", range(3))
async def test_however_often_the_host_ends_all_is_freed_in_the_end(
    tmp_path: Path, seed: int
) -> None:
    mischief = Mischief(random.Random(seed), crash=0.1)
    async with BatchStage(tmp_path, mischief=mischief) as stage:
        shelf = Shelf(stage)
        container = await shelf.uploaded()
        await shelf.put(shelf.at(container, "m"))
        await shelf.delete()
        mischief.crashes_left = 8
        for _ in range(40):
            stage.clock.move(30)
            with contextlib.suppress(Crash):
                await stage.application.sweeping.sweep()
            if mischief.dead:
                await stage.crash()
        assert stage.crashes > 2
        assert await shelf.files(container) == []
