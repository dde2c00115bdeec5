"""Assets that change, are the latest, and go."""

import asyncio
from typing import Any

import pytest

from domain.assets.asset import (
    DATA,
    MODELS,
    DataContainerProperties,
    DataVersionProperties,
)
from domain.assets.asset_listing import Listing
from domain.batch.batch_deployment import KIND as BATCH_DEPLOYMENT
from domain.errors import Conflict, Invalid, NotFound, PreconditionFailed
from domain.ground.resource import Conditions
from domain.online.online_deployment import KIND as ONLINE_DEPLOYMENT
from domain.ports import Create
from tests.domain.assets.registering import ANY, put_environment, put_model
from tests.kit.composed import SCOPE
from tests.kit.stages.asset_stage import CONDA, AssetStage


async def latest(stage: AssetStage) -> str | None:
    return (await stage.registration.containers.get(MODELS, "iris")).asset.latest


async def test_the_same_version_again_changes_nothing(stage: AssetStage) -> None:
    first = await put_model(stage, "1", tags={"a": "b"})
    again = await put_model(stage, "1", tags={"a": "b"})
    assert (again.asset, again.etag, again.new) == (first.asset, first.etag, False)


async def test_the_same_place_in_other_words_is_no_change(stage: AssetStage) -> None:
    first = await put_model(stage, "1")
    url = stage.blobs.url("workspaceblobstore", "iris/model.pkl")
    assert (await put_model(stage, "1", model_uri=url)).asset == first.asset


async def test_what_is_said_of_a_version_may_change(stage: AssetStage) -> None:
    first = await put_model(stage, "1", properties={"a": "b"})
    said: Any = {"description": "d", "tags": {"x": "y"}, "stage": "Production"}
    second = await put_model(stage, "1", properties={"a": "b", "c": "d"}, **said)
    assert second.asset.properties.description == "d"
    assert second.asset.modified_at > second.asset.created_at == first.asset.created_at
    assert second.etag != first.etag


async def test_what_a_version_is_stays_and_each_difference_is_named(stage: AssetStage) -> None:
    await put_model(stage, "1", properties={"a": "b", "c": "d"})
    other = await stage.upload("iris/other.pkl")
    with pytest.raises(Conflict, match="Register a new version") as raised:
        await put_model(
            stage, "1", model_uri=other, model_type="triton_model", properties={"a": "x"}
        )
    assert {detail.target for detail in raised.value.details} == {
        "properties.modelUri",
        "properties.modelType",
        "properties.properties.a",
        "properties.properties.c",
    }


async def test_an_environments_conda_file_stays(stage: AssetStage) -> None:
    await put_environment(stage, conda_file=CONDA)
    with pytest.raises(Conflict, match="condaFile"):
        await put_environment(stage, conda_file="dependencies: [python, numpy]")


async def test_conditions_are_held_to(stage: AssetStage) -> None:
    first = await put_model(stage, "1", Conditions(must_be_new=True))
    with pytest.raises(PreconditionFailed):
        await put_model(stage, "1", Conditions(must_be_new=True))
    with pytest.raises(PreconditionFailed):
        await put_model(stage, "1", Conditions(if_match="other"), description="d")
    changed = await put_model(stage, "1", Conditions(if_match=first.etag), description="d")
    with pytest.raises(PreconditionFailed):
        await stage.registration.delete_version(MODELS, "iris", "1", Conditions(first.etag))
    assert await stage.registration.delete_version(MODELS, "iris", "1", Conditions(changed.etag))


async def test_latest_is_the_one_created_last_that_is_not_archived(stage: AssetStage) -> None:
    for version in ("10", "9", "draft"):
        await put_model(stage, version)
    container = (await stage.registration.containers.get(MODELS, "iris")).asset
    assert (container.latest, container.next_version) == ("draft", "11")
    await put_model(stage, "draft", is_archived=True)
    assert await latest(stage) == "9"
    await put_model(stage, "draft", is_archived=False)
    assert await latest(stage) == "draft"
    await stage.registration.delete_version(MODELS, "iris", "draft", ANY)
    await stage.registration.delete_version(MODELS, "iris", "9", ANY)
    assert await latest(stage) == "10"
    await stage.registration.delete_version(MODELS, "iris", "10", ANY)
    container = (await stage.registration.containers.get(MODELS, "iris")).asset
    assert (container.latest, container.next_version) == (None, "11")
    with pytest.raises(NotFound, match="no version"):
        await stage.registration.model("azureml:iris@latest")


async def test_versions_registered_at_the_same_moment_all_stand(stage: AssetStage) -> None:
    await stage.upload("iris/model.pkl")
    await asyncio.gather(*(put_model(stage, str(n)) for n in range(1, 9)))
    found, _ = await stage.registration.versions(MODELS, "iris", Listing())
    ordinals = [saved.asset.ordinal for saved in found]
    assert sorted(ordinals) == list(range(1, 9))
    assert await latest(stage) == found[0].asset.version


async def test_one_of_two_registrations_of_a_version_creates_it(stage: AssetStage) -> None:
    await stage.upload("iris/model.pkl")
    saved = await asyncio.gather(*(put_model(stage, "1") for _ in range(5)))
    assert sum(each.new for each in saved) == 1


async def test_a_container_is_deleted_with_its_versions(stage: AssetStage) -> None:
    for n in range(95):
        await put_model(stage, str(n))
    assert await stage.registration.containers.delete(MODELS, "iris", ANY)
    assert not await stage.registration.containers.delete(MODELS, "iris", ANY)
    assert await stage.registration.versions(MODELS, "iris", Listing()) == ([], None)
    with pytest.raises(NotFound):
        await stage.registration.version(MODELS, "iris", "1")


async def test_a_data_container_keeps_to_one_type(stage: AssetStage) -> None:
    uri = await stage.upload("data/a.csv")
    wanted = DataVersionProperties(data_uri=uri, data_type="uri_file")
    await stage.registration.put_version(DATA, "d", "1", wanted, "me", ANY)
    folder = wanted.but(data_uri=uri.removesuffix("/a.csv"), data_type="uri_folder")
    with pytest.raises(Invalid, match="holds uri_file"):
        await stage.registration.put_version(DATA, "d", "2", folder, "me", ANY)
    with pytest.raises(Conflict, match="keeps to it"):
        await stage.registration.containers.put(DATA, "d", DataContainerProperties(), "me", ANY)


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        (ONLINE_DEPLOYMENT, {"model": SCOPE.path("models", "Iris", "versions", "1")}),
        (
            BATCH_DEPLOYMENT,
            {"model": {"asset_id": SCOPE.path("models", "iris", "versions", "1")}},
        ),
    ],
)
async def test_what_a_deployment_uses_is_not_deleted(
    stage: AssetStage, kind: str, properties: Any
) -> None:
    await put_model(stage, "1")
    await put_model(stage, "10")
    body = {
        "kind": kind,
        "resource": {"endpoint": "flowers", "name": "blue", "properties": properties},
    }
    await stage.store.transact("endpoints/flowers", [Create("deployment:blue", body)])
    with pytest.raises(Conflict, match="flowers/blue"):
        await stage.registration.delete_version(MODELS, "iris", "1", ANY)
    with pytest.raises(Conflict, match="flowers/blue"):
        await stage.registration.containers.delete(MODELS, "iris", ANY)
    assert await stage.registration.delete_version(MODELS, "iris", "10", ANY)
