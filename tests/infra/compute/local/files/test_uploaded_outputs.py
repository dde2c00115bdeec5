"""What scripts write to this machine's disk comes into a blob store elsewhere."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.ports import BlobFolder
from infra.compute.local.files.uploaded_outputs import UploadedOutputs
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.kit.waiting import until

JOB = "batch/job1"
OUTPUT = BlobFolder("results", "azureml/job1/score")


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FileBlobStore]:
    blobs = FileBlobStore(tmp_path / "store", base_url="http://localhost", key=b"k" * 32)
    yield blobs
    await blobs.close()


@pytest.fixture
def outputs(tmp_path: Path, blobs: FileBlobStore) -> UploadedOutputs:
    return UploadedOutputs(tmp_path / "outputs", blobs)


@pytest.fixture
def folder(outputs: UploadedOutputs) -> Path:
    folder = outputs.folder(JOB, OUTPUT)
    folder.mkdir(parents=True)
    return folder


async def published(blobs: FileBlobStore) -> dict[str, bytes]:
    found = {}
    async for blob in blobs.list(OUTPUT.container):
        name = blob.name.removeprefix(f"{OUTPUT.path}/")
        found[name] = b"".join([piece async for piece in blobs.read("results", blob.name)])
    return found


def put(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


async def test_files_of_any_depth_and_name_are_there_after_it(
    outputs: UploadedOutputs, folder: Path, blobs: FileBlobStore
) -> None:
    files = {"a.txt": b"a", "deep/er/ü %23#.bin": b"x" * 3_000_000, "empty": b""}
    for name, content in files.items():
        put(folder, name, content)
    await outputs.publish(JOB, OUTPUT)
    assert await published(blobs) == files


async def test_what_changed_goes_again_and_nothing_else_does(
    outputs: UploadedOutputs, folder: Path, blobs: FileBlobStore
) -> None:
    put(folder, "kept", b"1")
    put(folder, "log", b"1\n")
    await outputs.publish(JOB, OUTPUT)
    # The files may have changed at that one's very moment; at the next one's they have not.
    mark = folder.parent / "mark"

    def later() -> bool:
        mark.write_bytes(b"")
        return mark.stat().st_ctime_ns > (folder / "log").stat().st_ctime_ns

    until(later)
    await outputs.publish(JOB, OUTPUT)
    kept = await blobs.properties("results", f"{OUTPUT.path}/kept")
    with (folder / "log").open("ab") as file:
        file.write(b"2\n")
    put(folder, "aside", b"moved in, with an old time")
    os.utime(folder / "aside", (0, 0))
    os.rename(folder / "aside", folder / "new")
    await outputs.publish(JOB, OUTPUT)
    assert await published(blobs) == {
        "kept": b"1",
        "log": b"1\n2\n",
        "new": b"moved in, with an old time",
    }
    assert (await blobs.properties("results", f"{OUTPUT.path}/kept")).etag == kept.etag


async def test_everyone_who_asks_finds_what_was_written_before(
    outputs: UploadedOutputs, folder: Path, blobs: FileBlobStore
) -> None:
    async def worker(number: int) -> None:
        for turn in range(5):
            put(folder, f"{number}/{turn}", b"x")
            await outputs.publish(JOB, OUTPUT)
            assert f"{number}/{turn}" in await published(blobs)

    await asyncio.gather(*(worker(number) for number in range(6)))


async def test_links_and_what_cannot_be_a_blob_stay_here(
    outputs: UploadedOutputs, folder: Path, blobs: FileBlobStore
) -> None:
    (folder / "secret").symlink_to("/etc/hostname")
    (folder / "folder").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    put(folder, "a\nb", b"x")
    os.close(os.open(os.fsencode(folder) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    put(folder, "good", b"x")
    await outputs.publish(JOB, OUTPUT)
    assert await published(blobs) == {"good": b"x"}


async def test_an_upload_that_failed_is_made_up_for(
    outputs: UploadedOutputs,
    folder: Path,
    blobs: FileBlobStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise Unavailable("The store is away.")

    for number in range(20):
        put(folder, str(number), b"x")
    with monkeypatch.context() as patch:
        patch.setattr(blobs, "write", away)
        with pytest.raises(Unavailable):
            await outputs.publish(JOB, OUTPUT)
    await outputs.publish(JOB, OUTPUT)
    assert len(await published(blobs)) == 20


async def test_nothing_stays_of_what_is_released_and_another_jobs_is_left(
    outputs: UploadedOutputs, folder: Path, blobs: FileBlobStore
) -> None:
    other = outputs.folder("batch/job2", OUTPUT)
    put(other, "theirs", b"x")
    put(folder, "last", b"x")
    await outputs.release(JOB, OUTPUT)
    assert await published(blobs) == {"last": b"x"}
    assert not folder.exists()
    assert (other / "theirs").exists()


def test_what_a_dead_host_left_goes_in_time(
    outputs: UploadedOutputs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "deep/er/old", b"x")
    outputs.sweep()
    assert (folder / "deep/er/old").exists()
    monkeypatch.setattr("infra.compute.local.files.uploaded_outputs.KEPT", -(10**9))
    outputs.sweep()
    assert not folder.exists()
