import asyncio
import os
from pathlib import Path

import pytest

from domain.ports import BlobFolder
from infra.compute.local.failure import StartFailure
from infra.compute.local.files.fetched_files import Assets
from tests.infra.compute.conftest import House


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def assets(house: House) -> Assets:
    return house.compute.premises.assets


async def test_the_last_segment_of_the_path_is_kept(house: House, assets: Assets) -> None:
    await house.blobs.write("assets", "m/model.pkl", b"1")
    await house.blobs.write("assets", "models/m1/a.txt", b"2")
    await house.blobs.write("assets", "models/m1/deep/b.txt", b"3")
    await house.blobs.write("assets", "models/m10/no.txt", b"4")
    assert files((await assets.ensure(BlobFolder("assets", "m/model.pkl"))).folder) == {
        "model.pkl": b"1"
    }
    folder = await assets.ensure(BlobFolder("assets", "models/m1"))
    assert files(folder.folder) == {"m1/a.txt": b"2", "m1/deep/b.txt": b"3"}
    assert folder.root == folder.folder / "m1"
    await house.blobs.write("whole", "x/y", b"5")
    whole = await assets.ensure(BlobFolder("whole", ""))
    assert files(whole.folder) == {"x/y": b"5"}
    assert whole.root == whole.folder


async def test_the_same_content_is_fetched_once_and_a_change_makes_another_folder(
    house: House, assets: Assets
) -> None:
    await house.blobs.write("assets", "m/a", b"1")
    source = BlobFolder("assets", "m")
    first = await asyncio.gather(*(assets.ensure(source) for _ in range(4)))
    assert len(set(first)) == 1
    await house.blobs.write("assets", "m/a", b"2")
    second = await assets.ensure(source)
    assert files(first[0].root) == {"a": b"1"}
    assert files(second.root) == {"a": b"2"}


async def test_nothing_in_the_store_is_a_failure_that_names_it(assets: Assets) -> None:
    with pytest.raises(StartFailure, match="Nothing is at assets/none"):
        await assets.ensure(BlobFolder("assets", "none"))


async def test_unused_assets_are_pruned_but_for_the_latest(house: House, assets: Assets) -> None:
    kept: list[Path] = []
    for name in ("a", "b", "c"):
        await house.blobs.write("assets", name, b"1")
        asset = await assets.ensure(BlobFolder("assets", name))
        os.utime(asset.folder, (len(kept) + 1,) * 2)
        kept.append(asset.folder)
    assets.prune({kept[0].name}, 1)
    assert [folder.exists() for folder in kept] == [True, False, True]
