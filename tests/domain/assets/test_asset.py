import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.assets.asset import (
    CODES,
    DATA,
    ENVIRONMENTS,
    MODELS,
    AssetVersion,
    CodeVersionProperties,
    DataContainerProperties,
    DataVersionProperties,
    EnvironmentVersionProperties,
    ModelVersionProperties,
    Saved,
    VersionProperties,
)
from domain.assets.asset_listing import Listing, ListView, OrderKey
from domain.assets.conda import HOST_PYTHON
from domain.batch.batch_deployment import KIND as BATCH_DEPLOYMENT
from domain.errors import Conflict, Invalid, NotFound, PreconditionFailed
from domain.ground.resource import Conditions
from domain.online.online_deployment import KIND as ONLINE_DEPLOYMENT
from domain.ports import BlobFolder, Create, EnvironmentSpec
from tests.kit.composed import SCOPE
from tests.kit.stages.asset_stage import CONDA, AssetStage, opened

ANY = Conditions()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[AssetStage]:
    async with opened(tmp_path) as stage:
        yield stage


async def put_model(
    stage: AssetStage, version: str, when: Conditions = ANY, /, **said: Any
) -> Saved[AssetVersion]:
    uri = said.pop("model_uri", None) or await stage.upload("iris/model.pkl")
    wanted = ModelVersionProperties(model_uri=uri, **said)
    return await stage.registration.put_version(MODELS, "iris", version, wanted, "me", when)


async def put_environment(stage: AssetStage, **said: Any) -> Saved[AssetVersion]:
    wanted = EnvironmentVersionProperties(**said)
    return await stage.registration.put_version(ENVIRONMENTS, "env", "1", wanted, "me", ANY)


async def refused(stage: AssetStage, kind: Any, wanted: VersionProperties) -> Invalid:
    with pytest.raises(Invalid) as raised:
        await stage.registration.put_version(kind, "asset", "1", wanted, "me", ANY)
    with pytest.raises(NotFound):
        await stage.registration.containers.get(kind, "asset")
    return raised.value


async def latest(stage: AssetStage) -> str | None:
    return (await stage.registration.containers.get(MODELS, "iris")).asset.latest


# -- registering ----------------------------------------------------------------------------


async def test_a_registered_version_is_found_by_every_reference(stage: AssetStage) -> None:
    saved = await put_model(stage, "1", tags={"a": "b"})
    assert saved.new
    for reference in (
        "azureml:iris:1",
        "iris:1",
        "azureml:IRIS:1",
        "azureml:iris@latest",
        SCOPE.path("models", "iris", "versions", "1"),
        SCOPE.path("models", "iris"),
    ):
        assert await stage.registration.model(reference) == saved.asset
    found = await stage.registration.model("iris:1")
    assert found.folder == BlobFolder("workspaceblobstore", "iris/model.pkl")
    assert found.created_by == "me"


@pytest.mark.parametrize("reference", ["azureml:iris:2", "azureml:other:1", "azureml:other@latest"])
async def test_a_reference_to_nothing_is_not_found(stage: AssetStage, reference: str) -> None:
    await put_model(stage, "1")
    with pytest.raises(NotFound, match="was not found"):
        await stage.registration.model(reference)


async def test_code_and_data_have_their_folders(stage: AssetStage) -> None:
    await stage.upload("code/score.py")
    folder = "azureml://datastores/workspaceblobstore/paths/code/"
    put = stage.registration.put_version
    await put(CODES, "code", "1", CodeVersionProperties(code_uri=folder), "me", ANY)
    await put(DATA, "data", "1", DataVersionProperties(data_uri=folder), "me", ANY)
    assert (await stage.registration.code("code:1")).folder.path == "code"
    assert (await stage.registration.data("data:1")).folder.path == "code"


async def test_an_environment_keeps_what_its_conda_file_meant(stage: AssetStage) -> None:
    await put_environment(stage, conda_file=CONDA, image="mcr.example/base:1")
    found = await stage.registration.environment("env:1")
    assert found.spec == EnvironmentSpec(HOST_PYTHON, ("joblib",))
    assert found.properties.image == "mcr.example/base:1"


async def test_an_environment_with_an_image_alone_cannot_be_run(stage: AssetStage) -> None:
    await put_environment(stage, image="mcr.example/base:1")
    found = await stage.registration.environment("env:1")
    with pytest.raises(Invalid, match="give the environment a condaFile"):
        _ = found.spec


async def test_every_fault_of_an_environment_is_told_at_once(stage: AssetStage) -> None:
    wanted = EnvironmentVersionProperties(
        conda_file="dependencies: [r-base, numpy=1=2]",
        os_type="Windows",
        auto_rebuild="OnBaseImageUpdate",
    )
    error = await refused(stage, ENVIRONMENTS, wanted)
    assert [detail.target for detail in error.details] == [
        "properties.osType",
        "properties.autoRebuild",
        "properties.condaFile",
        "properties.condaFile",
    ]


async def test_a_python_that_is_not_here_is_refused_at_registration(stage: AssetStage) -> None:
    wanted = EnvironmentVersionProperties(conda_file="dependencies: [python=3.7]")
    error = await refused(stage, ENVIRONMENTS, wanted)
    assert error.target == "properties.condaFile"
    assert "3.7" in error.message


async def test_an_environment_of_nothing_is_refused(stage: AssetStage) -> None:
    error = await refused(stage, ENVIRONMENTS, EnvironmentVersionProperties())
    assert error.target == "properties.condaFile"


@pytest.mark.parametrize(
    ("kind", "wanted", "target", "why"),
    [
        (MODELS, ModelVersionProperties(model_uri="DS/nothing"), "modelUri", "nothing at"),
        (
            MODELS,
            ModelVersionProperties(model_uri="https://example.com/m"),
            "modelUri",
            "upload it first",
        ),
        (
            MODELS,
            ModelVersionProperties(model_uri="DS/folder", model_type="mlflow_model"),
            "modelUri",
            "MLmodel",
        ),
        (
            MODELS,
            ModelVersionProperties(model_uri=f"DS/{'x' * 300}/model"),
            "modelUri",
            "255 bytes",
        ),
        (CODES, CodeVersionProperties(code_uri="DS/folder/file"), "codeUri", "folder"),
        (
            DATA,
            DataVersionProperties(data_uri="DS/folder", data_type="uri_file"),
            "dataUri",
            "this is a folder",
        ),
        (DATA, DataVersionProperties(data_uri="DS/folder/file"), "dataUri", "this is one file"),
        (
            DATA,
            DataVersionProperties(data_uri="DS/folder", data_type="mltable"),
            "dataType",
            "mltable",
        ),
    ],
)
async def test_what_is_not_there_or_not_what_it_says_is_refused(
    stage: AssetStage, kind: Any, wanted: VersionProperties, target: str, why: str
) -> None:
    await stage.upload("folder/file")
    uri = getattr(wanted, kind.uri).replace("DS", "azureml://datastores/workspaceblobstore/paths")
    error = await refused(stage, kind, wanted.but(**{kind.uri: uri}))
    assert error.target == f"properties.{target}"
    assert why in error.message


async def test_an_mlflow_model_is_a_folder_with_its_file(stage: AssetStage) -> None:
    await stage.upload("mlflow/MLmodel")
    uri = "azureml://datastores/workspaceblobstore/paths/mlflow"
    saved = await put_model(stage, "1", model_uri=uri, model_type="MLflowModel")
    assert saved.asset.properties.to_document()["model_type"] == "mlflow_model"


@pytest.mark.parametrize(
    ("name", "version", "targets"),
    [
        ("a/b", "1", ["name"]),
        ("", "1", ["name"]),
        ("-x", "..", ["name", "version"]),
        ("a", "v" * 201, ["version"]),
        ("a", "1:2", ["version"]),
    ],
)
async def test_names_and_versions_are_checked(
    stage: AssetStage, name: str, version: str, targets: list[str]
) -> None:
    wanted = EnvironmentVersionProperties(conda_file=CONDA)
    with pytest.raises(Invalid) as raised:
        await stage.registration.put_version(ENVIRONMENTS, name, version, wanted, "me", ANY)
    assert [detail.target for detail in raised.value.details] == targets


# -- changing -------------------------------------------------------------------------------


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


# -- containers and what is latest ------------------------------------------------------------


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


# -- deleting what is used --------------------------------------------------------------------


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


# -- lists ------------------------------------------------------------------------------------


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
    assert await listed(stage, Listing(stage="Dev")) == ["d"]
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


# -- uploads ----------------------------------------------------------------------------------


async def test_each_upload_has_a_container_of_its_own(stage: AssetStage) -> None:
    start = stage.registration.start_upload
    first = await start(MODELS, "iris", "1")
    second = await start(MODELS, "iris", "1")
    assert first.id != second.id
    assert first.blob_uri.endswith(f"/azureml-{first.id}")
    assert first.sas_uri.startswith(f"{first.blob_uri}?")


async def test_a_version_that_is_there_takes_no_upload(stage: AssetStage) -> None:
    await put_model(stage, "1")
    with pytest.raises(Conflict, match="new version"):
        await stage.registration.start_upload(MODELS, "iris", "1")
