"""A unit's files reach its worker, and what it makes of them is looked at."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from domain.ports import UnitInput, UnitMiniBatch, UnitRequest
from infra.compute.local.isolation.lending import LendingDesk
from infra.embedded.blobs.blob_drafts import etag_of


@pytest.fixture
def desk(tmp_path: Path) -> LendingDesk:
    for name in ("inputs", "outputs"):
        (tmp_path / name).mkdir()
    return LendingDesk(tmp_path / "inputs", tmp_path / "outputs", for_others=False)


def unit(*files: Path, block: Path | None = None, etag: str = "") -> UnitRequest:
    inputs = tuple(UnitInput(file.name, file.as_uri(), etag=etag) for file in files)
    place = None if block is None else block.as_uri()
    return UnitRequest("a", (UnitMiniBatch(0, inputs, 1),), timedelta(seconds=1), "csv", place)


def paths(lent: UnitRequest) -> list[Path]:
    urls = [each.url for mini_batch in lent.mini_batches for each in mini_batch.inputs]
    return [Path(url.removeprefix("file://")) for url in urls]


def made(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"{folder.name}/{name}")
    return file


def test_files_are_lent_under_their_names_and_taken_back(tmp_path: Path, desk: LendingDesk) -> None:
    one, same = made(tmp_path / "one", "a.csv"), made(tmp_path / "two", "a.csv")
    lent = paths(desk.lend(unit(one, same, one)))
    assert [path.name for path in lent] == ["a.csv"] * 3
    assert [path.read_text() for path in lent] == ["one/a.csv", "two/a.csv", "one/a.csv"]
    assert lent[0].samefile(one)
    assert lent[0] == lent[2]
    desk.clear(tidy=False)
    assert [path for path in desk.inputs.rglob("*") if path.is_file()] == []
    assert [one.exists(), same.exists()] == [True, True]


def test_what_is_elsewhere_or_gone_is_for_the_worker_to_find(
    tmp_path: Path, desk: LendingDesk
) -> None:
    gone = tmp_path / "gone.csv"
    web = UnitInput("w", "https://example.test/w.csv")
    request = UnitRequest(
        "a", (UnitMiniBatch(0, (web,), 1),), timedelta(seconds=1), "summary_only", None
    )
    assert desk.lend(request) == request
    [path] = paths(desk.lend(unit(gone)))
    assert not path.exists()


def test_a_file_on_another_disk_is_copied_and_is_what_was_meant_if_it_is(
    tmp_path: Path, desk: LendingDesk
) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one disk")
    file = elsewhere / f"lent-{os.getpid()}.csv"
    file.write_text("text")
    try:
        [mini_batch] = desk.lend(unit(file, etag=etag_of(file.stat()))).mini_batches
        assert mini_batch.inputs[0].etag == ""
        [path] = paths(desk.lend(unit(file)))
        assert path.read_text() == "text"
        [mini_batch] = desk.lend(unit(file, etag='"another"')).mini_batches
        assert mini_batch.inputs[0].etag == '"another"'
    finally:
        file.unlink()


async def test_a_block_is_brought_to_its_place(tmp_path: Path, desk: LendingDesk) -> None:
    place = tmp_path / "blocks" / "b"
    request = unit(block=place)
    asked = desk.lend(request).block_url
    assert asked is not None
    Path(asked.removeprefix("file://")).write_text("rows")
    await desk.deliver(request)
    assert place.read_text() == "rows"


async def test_a_block_that_is_a_link_is_not_taken(tmp_path: Path, desk: LendingDesk) -> None:
    secret, place = made(tmp_path / "secrets", "key"), tmp_path / "b"
    (desk.outputs / "block").symlink_to(secret)
    with pytest.raises(OSError, match="is no file"):
        await desk.deliver(unit(block=place))
    assert not place.exists()


async def test_a_block_that_is_a_folder_is_not_taken(tmp_path: Path, desk: LendingDesk) -> None:
    made(desk.outputs / "block", "file")
    place = tmp_path / "b"
    with pytest.raises(OSError, match="is no file"):
        await desk.deliver(unit(block=place))
    assert not place.exists()


async def test_a_block_goes_to_another_disk_if_it_is_a_file(
    tmp_path: Path, desk: LendingDesk
) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one disk")
    place, block = elsewhere / f"block-{os.getpid()}", desk.outputs / "block"
    try:
        block.symlink_to(made(tmp_path / "secrets", "key"))
        with pytest.raises(OSError, match="symbolic link"):
            await desk.deliver(unit(block=place))
        assert not place.exists()
        block.unlink()
        block.write_text("rows")
        await desk.deliver(unit(block=place))
        assert [place.read_text(), block.exists()] == ["rows", False]
    finally:
        place.unlink(missing_ok=True)
