from typing import Any

import pytest

from domain.assets.asset import (
    CODES,
    DATA,
    ENVIRONMENTS,
    MODELS,
    CodeVersionProperties,
    DataVersionProperties,
    EnvironmentVersionProperties,
    ModelVersionProperties,
    VersionProperties,
)
from domain.assets.conda import HOST_PYTHON
from domain.errors import Conflict, Invalid, NotFound
from domain.ports import BlobFolder, EnvironmentSpec
from tests.domain.assets.registering import ANY, put_environment, put_model, refused
from tests.kit.composed import SCOPE
from tests.kit.stages.asset_stage import CONDA, AssetStage


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
    assert (await stage.registration.data("data:1")).folder == BlobFolder(
        "workspaceblobstore", "code"
    )


async def test_an_environment_keeps_what_its_conda_file_meant(stage: AssetStage) -> None:
    await put_environment(stage, conda_file=CONDA)
    found = await stage.registration.environment("env:1")
    assert found.spec == EnvironmentSpec(HOST_PYTHON, ("joblib",))


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
            "dataUri",
            "a file MLTable in it",
        ),
        (
            DATA,
            DataVersionProperties(data_uri="https://example.com/folder/", data_type="uri_folder"),
            "dataUri",
            "no folder",
        ),
        (
            MODELS,
            ModelVersionProperties(model_uri="azureml://jobs/nobody/outputs/score/paths/m"),
            "modelUri",
            "Job 'nobody' was not found",
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


async def test_data_may_be_an_mltable_or_a_file_on_the_web(stage: AssetStage) -> None:
    await stage.upload("table/MLTable")
    folder = "azureml://datastores/workspaceblobstore/paths/table"
    table = DataVersionProperties(data_uri=folder, data_type="mltable", referenced_uris=("a.csv",))
    web = DataVersionProperties(data_uri="https://example.com/rows.csv", data_type="uri_file")
    put = stage.registration.put_version
    await put(DATA, "table", "1", table, "me", ANY)
    for _ in range(2):
        await put(DATA, "web", "1", web, "me", ANY)
    assert (await stage.registration.data("table:1")).properties == table
    assert (await stage.registration.data("web:1")).folder is None
    other = web.but(data_uri="https://example.com/other.csv")
    with pytest.raises(Conflict, match="keeps its"):
        await put(DATA, "web", "1", other, "me", ANY)


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
