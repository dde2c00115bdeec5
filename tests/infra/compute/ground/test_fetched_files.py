import asyncio
import os
from pathlib import Path

import pytest

from domain.assets.sealing import seals
from domain.assets.sealing.seals import Seals
from domain.ports import SealedFolder
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.fetched_files import Assets
from tests.infra.compute.conftest import House
from tests.kit.stages.sealing import sealed


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def assets(house: House) -> Assets:
    return house.compute.premises.assets


async def registered(house: House, path: str, container: str = "assets") -> SealedFolder:
    return await sealed(house.blobs, container, path)


async def refused(assets: Assets, source: SealedFolder) -> str:
    with pytest.raises(StartFailure) as caught:
        await assets.ensure(source)
    assert caught.value.code == "AssetChanged"
    return caught.value.reason


async def test_the_last_segment_of_the_path_is_kept(house: House, assets: Assets) -> None:
    await house.blobs.write("assets", "m/model.pkl", b"1")
    await house.blobs.write("assets", "models/m1/a.txt", b"2")
    await house.blobs.write("assets", "models/m1/deep/b.txt", b"3")
    await house.blobs.write("assets", "models/m10/no.txt", b"4")
    alone = await assets.ensure(await registered(house, "m/model.pkl"))
    assert files(alone.folder) == {"model.pkl": b"1"}
    folder = await assets.ensure(await registered(house, "models/m1"))
    assert files(folder.folder) == {"m1/a.txt": b"2", "m1/deep/b.txt": b"3"}
    assert folder.root == folder.folder / "m1"
    await house.blobs.write("whole", "x/y", b"5")
    whole = await assets.ensure(await registered(house, "", "whole"))
    assert files(whole.folder) == {"x/y": b"5"}
    assert whole.root == whole.folder


async def test_a_version_is_fetched_once_and_another_beside_it(
    house: House, assets: Assets
) -> None:
    await house.blobs.write("assets", "m/a", b"1")
    source = await registered(house, "m")
    first = await asyncio.gather(*(assets.ensure(source) for _ in range(4)))
    assert len(set(first)) == 1
    await house.blobs.write("assets", "m/a", b"2")
    second = await assets.ensure(await registered(house, "m"))
    assert files(first[0].root) == {"a": b"1"}
    assert files(second.root) == {"a": b"2"}


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"evil", "its SHA-256 is"), (b"larger", "it is larger"), (b"", "it has 0 bytes, and had 4")],
)
async def test_what_is_not_what_was_registered_is_not_fetched(
    house: House, assets: Assets, content: bytes, why: str
) -> None:
    await house.blobs.write("assets", "m/a", b"good")
    await house.blobs.write("assets", "m/b", b"too")
    source = await registered(house, "m")
    await house.blobs.write("assets", "m/a", content)
    reason = await refused(assets, source)
    assert "'assets/m/a' is not what was registered" in reason
    assert why in reason
    await house.blobs.delete("assets", "m/a")
    assert "it is gone" in await refused(assets, source)


async def test_content_decides_and_not_when_it_was_written(house: House, assets: Assets) -> None:
    """A blob store may be restored from a backup, or moved."""
    await house.blobs.write("assets", "m/a", b"1")
    source = await registered(house, "m")
    await house.blobs.write("assets", "m/a", b"other")
    await house.blobs.write("assets", "m/a", b"1")
    await house.blobs.write("assets", "m/beside.py", b"evil")
    fetched = await assets.ensure(source)
    assert files(fetched.root) == {"a": b"1"}


async def test_much_to_read_is_proven_by_etags_until_it_has_been_fetched(
    house: House, assets: Assets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "READ_AT_ONCE", 3)
    await house.blobs.write("assets", "m/a", b"1234")
    source = await registered(house, "m")
    [file] = await Seals(house.blobs).files(source)
    assert file.sha256 is None
    await assets.ensure(source)
    [file] = await Seals(house.blobs).files(source)
    assert file.sha256 is not None

    await house.blobs.write("assets", "m/a", b"4321")
    never_fetched = await registered(house, "m")
    await house.blobs.write("assets", "m/a", b"4321")
    assert "it has been written anew" in await refused(assets, never_fetched)


async def test_without_the_list_of_what_was_registered_nothing_is_run(
    house: House, assets: Assets
) -> None:
    await house.blobs.write("assets", "m/a", b"1")
    source = await registered(house, "m")
    await house.blobs.write("system", f"assets/{source.seal}.json", b'{"files": []}')
    assert "is gone or damaged" in await refused(assets, source)


async def test_unused_assets_are_pruned_but_for_the_latest(house: House, assets: Assets) -> None:
    kept: list[Path] = []
    for name in ("a", "b", "c"):
        await house.blobs.write("assets", name, b"1")
        asset = await assets.ensure(await registered(house, name))
        os.utime(asset.folder, (len(kept) + 1,) * 2)
        kept.append(asset.folder)
    assets.prune({kept[0].name}, 1, 0)
    assert [folder.exists() for folder in kept] == [True, False, True]
    assets.prune({kept[0].name}, 1, 10)
    assert [folder.exists() for folder in kept] == [True, False, False]
