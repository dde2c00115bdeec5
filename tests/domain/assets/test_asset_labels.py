"""Labels: names that move from version to version."""

import asyncio

import pytest

from domain.assets.asset import CONTAINER_ID, MODELS
from domain.assets.asset_labels import MOST, labels_of
from domain.errors import DocumentNotFound, Invalid, NotFound
from tests.domain.assets.registering import ANY, put_model
from tests.kit.stages.asset_stage import AssetStage


async def give(stage: AssetStage, label: str, version: str) -> None:
    await stage.registration.labels.put(MODELS, "iris", label, version, "me", ANY)


async def meant(stage: AssetStage, reference: str) -> str:
    return (await stage.registration.model(reference)).version


async def shown(stage: AssetStage) -> dict[str, str]:
    return labels_of((await stage.registration.labels.all(MODELS, "iris")).asset)


async def test_a_label_moves_and_what_names_it_means_the_version_that_has_it(
    stage: AssetStage,
) -> None:
    await put_model(stage, "1")
    await put_model(stage, "B")
    await give(stage, "Champion", "1")
    assert await meant(stage, "azureml:iris@champion") == "1"
    await give(stage, "champion", "b")
    assert await meant(stage, "iris@CHAMPION") == "B"
    assert await shown(stage) == {"latest": "B", "champion": "B"}


async def test_an_archived_version_keeps_its_labels_and_a_deleted_one_takes_them_along(
    stage: AssetStage,
) -> None:
    for version in ("1", "2"):
        await put_model(stage, version)
    await give(stage, "old", "1")
    await give(stage, "new", "2")
    await put_model(stage, "1", is_archived=True)
    assert await meant(stage, "iris@old") == "1"
    await stage.registration.delete_version(MODELS, "iris", "1", ANY)
    assert await shown(stage) == {"latest": "2", "new": "2"}
    with pytest.raises(NotFound, match=r"no label 'old'; it has: latest, new\."):
        await meant(stage, "iris@old")


async def test_a_label_that_is_taken_away_is_on_no_version(stage: AssetStage) -> None:
    await put_model(stage, "1")
    await give(stage, "champion", "1")
    labels = stage.registration.labels
    assert await labels.delete(MODELS, "iris", "CHAMPION", "me", ANY)
    assert not await labels.delete(MODELS, "iris", "champion", "me", ANY)
    assert not await labels.delete(MODELS, "nobody", "champion", "me", ANY)
    assert await shown(stage) == {"latest": "1"}


async def test_what_is_said_of_a_name_leaves_its_labels(stage: AssetStage) -> None:
    await put_model(stage, "1")
    await give(stage, "champion", "1")
    properties = MODELS.container_properties(tags={"a": "b"})
    await stage.registration.containers.put(MODELS, "iris", properties, "me", ANY)
    await put_model(stage, "2")
    assert await shown(stage) == {"latest": "2", "champion": "1"}


async def test_what_is_no_label_is_refused(stage: AssetStage) -> None:
    await put_model(stage, "1")
    for label in ("latest", "Latest", "a b", "", "../x", "x" * 256):
        with pytest.raises(Invalid):
            await give(stage, label, "1")


async def test_a_version_that_is_not_there_gets_none(stage: AssetStage) -> None:
    with pytest.raises(NotFound, match="'iris:1'"):
        await give(stage, "champion", "1")
    await put_model(stage, "1")
    with pytest.raises(NotFound, match="'iris:2'"):
        await give(stage, "champion", "2")


async def test_a_name_has_so_many_and_no_more(stage: AssetStage) -> None:
    await put_model(stage, "1")
    for number in range(MOST):
        await give(stage, f"label-{number}", "1")
    with pytest.raises(Invalid, match=f"has {MOST} labels"):
        await give(stage, "another", "1")
    await put_model(stage, "2")
    await give(stage, "label-0", "2")
    assert (await shown(stage))["label-0"] == "2"


async def test_a_label_is_never_on_a_version_that_was_deleted_meanwhile(stage: AssetStage) -> None:
    """Whoever comes first: a version without a label goes, or its label goes with it."""
    for version in ("1", "2"):
        await put_model(stage, version)
    for turn in range(5):
        await put_model(stage, f"t{turn}")
        await asyncio.gather(
            give(stage, "champion", f"t{turn}"),
            stage.registration.delete_version(MODELS, "iris", f"t{turn}", ANY),
            return_exceptions=True,
        )
        assert f"t{turn}" not in (await shown(stage)).values()


async def test_the_document_of_a_name_without_labels_is_as_it_was_before_there_were_any(
    stage: AssetStage,
) -> None:
    await put_model(stage, "1")
    partition = MODELS.partition("iris")
    document = await stage.store.get(partition, CONTAINER_ID)
    assert "labels" not in document.body["resource"]
    await stage.registration.containers.delete(MODELS, "iris", ANY)
    with pytest.raises(DocumentNotFound):
        await stage.store.get(partition, CONTAINER_ID)
