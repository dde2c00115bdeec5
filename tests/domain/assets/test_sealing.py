"""What a version was registered with, and whoever changes it afterwards."""

from typing import cast

import pytest

from domain.assets.asset import CODES, CodeVersion, CodeVersionProperties, version_id
from domain.assets.sealing import seals
from domain.assets.sealing.seals import Seals
from domain.errors import Invalid
from domain.ports import Replace
from tests.domain.assets.registering import ANY
from tests.kit.stages.asset_stage import AssetStage


async def put_code(stage: AssetStage, uri: str, version: str = "1") -> CodeVersion:
    wanted = CodeVersionProperties(code_uri=uri)
    saved = await stage.registration.put_version(CODES, "c", version, wanted, "me", ANY)
    return cast(CodeVersion, saved.asset)


async def test_registering_records_names_sizes_and_digests(stage: AssetStage) -> None:
    await stage.upload("src/score.py", b"run")
    uri = (await stage.upload("src/deep/help.py", b"")).removesuffix("/deep/help.py")
    version = await put_code(stage, uri)
    assert version.seal is not None
    assert (version.seal.files, version.seal.bytes) == (2, 3)
    files = await Seals(stage.blobs).files(await stage.registration.files(version))
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [(file.name, file.size) for file in files] == [
        ("src/deep/help.py", 0),
        ("src/score.py", 3),
    ]
    assert files[0].sha256 == empty
    assert files[1].sha256 not in (None, empty)


async def test_what_is_put_again_stays_what_it_was(stage: AssetStage) -> None:
    uri = (await stage.upload("src/score.py", b"run")).removesuffix("/score.py")
    first = await put_code(stage, uri)
    await stage.upload("src/score.py", b"evil")
    assert (await put_code(stage, uri)).seal == first.seal
    assert (await put_code(stage, uri, "2")).seal != first.seal


async def test_what_v0_1_0_registered_is_sealed_when_it_is_first_used(stage: AssetStage) -> None:
    """It keeps no list, and leaves out that of a version that it changes."""
    uri = (await stage.upload("src/score.py", b"run")).removesuffix("/score.py")
    await put_code(stage, uri)
    document = await stage.store.get("codes/c", version_id("1"))
    assert "seal" not in document.body["resource"]
    older = {key: value for key, value in document.body.items() if key != "seal"}
    await stage.store.transact("codes/c", [Replace(document.id, older, document.etag)])
    found = await stage.registration.code("azureml:c:1")
    assert found.seal is None
    files = await stage.registration.files(found)
    assert await stage.registration.files(found) == files
    again = await stage.registration.code("azureml:c:1")
    assert again.seal is not None
    assert again.seal.id == files.seal


async def test_too_many_files_are_refused(
    stage: AssetStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "MOST_FILES", 1)
    await stage.upload("src/a.py")
    uri = (await stage.upload("src/b.py")).removesuffix("/b.py")
    with pytest.raises(Invalid, match="at most 1 files"):
        await put_code(stage, uri)
