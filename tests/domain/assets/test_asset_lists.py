"""Lists of assets, and uploads for them."""

from typing import Any

import pytest

from domain.assets.asset import (
    CODES,
    MODELS,
    CodeVersionProperties,
)
from domain.assets.asset_listing import Listing, ListView, OrderKey
from domain.errors import Conflict, Invalid
from tests.domain.assets.registering import ANY, put_model
from tests.kit.stages.asset_stage import AssetStage


async def listed(stage: AssetStage, listing: Listing) -> list[str]:
    """Every page of it."""
    versions: list[str] = []
    while True:
        page, more = await stage.registration.versions(MODELS, "iris", listing)
        versions += [saved.asset.version for saved in page]
        if more is None:
            return versions
        listing = Listing(**{**vars(listing), "continuation": more})


async def test_lists_are_ordered_paged_and_narrowed(stage: AssetStage) -> None:
    for version in ("b", "c", "a", "d"):
        await put_model(stage, version, tags={"v": version}, stage="Dev" if version > "b" else None)
    await put_model(stage, "c", tags={"v": "c"}, stage="Dev", is_archived=True)
    assert await listed(stage, Listing()) == ["d", "a", "b"]
    assert await listed(stage, Listing(top=1)) == ["d", "a", "b"]
    assert await listed(stage, Listing(top=2, descending=False)) == ["b", "a", "d"]
    by_name = Listing(top=2, key=OrderKey.VERSION, descending=False, view=ListView.ALL)
    assert await listed(stage, by_name) == ["a", "b", "c", "d"]
    assert await listed(stage, Listing(view=ListView.ARCHIVED_ONLY)) == ["c"]
    assert await listed(stage, Listing(stage="dev")) == ["d"]
    assert await listed(stage, Listing(stage="None")) == ["a", "b"]
    assert await listed(stage, Listing(tags={"v": "a"})) == ["a"]
    assert await listed(stage, Listing(tags={"v": None, "w": None})) == []
    assert await listed(stage, Listing(version="B")) == ["b"]


async def test_a_page_goes_on_where_it_ended_whatever_is_registered_meanwhile(
    stage: AssetStage,
) -> None:
    for n in range(1, 5):
        await put_model(stage, str(n))
    first, more = await stage.registration.versions(MODELS, "iris", Listing(top=2))
    await put_model(stage, "5")
    await stage.registration.delete_version(MODELS, "iris", "3", ANY)
    second, _ = await stage.registration.versions(MODELS, "iris", Listing(top=2, continuation=more))
    assert [saved.asset.version for saved in first] == ["4", "3"]
    assert [saved.asset.version for saved in second] == ["2", "1"]


@pytest.mark.parametrize("continuation", ["", "x", "W10=", "WyJhIiwgMV0=", "é", "bnVsbA=="])
async def test_a_continuation_of_no_list_is_refused(stage: AssetStage, continuation: str) -> None:
    await put_model(stage, "1")
    with pytest.raises(Invalid, match="nextLink"):
        await stage.registration.versions(MODELS, "iris", Listing(continuation=continuation))


async def test_code_is_found_by_the_hash_of_its_content(stage: AssetStage) -> None:
    await stage.upload("code/score.py")
    wanted = CodeVersionProperties(
        code_uri="azureml://datastores/workspaceblobstore/paths/code",
        properties={"hash_sha256": "abc", "hash_version": "202208"},
    )
    await stage.registration.put_version(CODES, "code", "1", wanted, "me", ANY)

    async def found(**asked: Any) -> int:
        return len((await stage.registration.versions(CODES, "code", Listing(**asked)))[0])

    assert await found(content_hash="abc") == 1
    assert await found(content_hash="abc", hash_version="202208") == 1
    assert await found(content_hash="abc", hash_version="1") == 0
    assert await found(content_hash="other") == 0


async def test_each_upload_has_a_container_of_its_own(stage: AssetStage) -> None:
    start = stage.registration.uploads.start
    first = await start(MODELS, "iris", "1")
    second = await start(MODELS, "iris", "1")
    assert first.id != second.id
    assert first.blob_uri.endswith(f"/azureml-{first.id}")
    assert first.sas_uri.startswith(f"{first.blob_uri}?")


async def test_a_version_that_is_there_takes_no_upload(stage: AssetStage) -> None:
    await put_model(stage, "1")
    with pytest.raises(Conflict, match="new version"):
        await stage.registration.uploads.start(MODELS, "iris", "1")
