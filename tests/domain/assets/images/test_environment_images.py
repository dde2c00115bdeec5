"""Environments that are images: built, prebuilt, Azure ML's own, or below a conda file."""

from pathlib import Path

import pytest

from domain.assets.asset import ENVIRONMENTS, BuildContext, EnvironmentVersionProperties
from domain.assets.conda import HOST_PYTHON
from domain.assets.images import base_images, curated_environments
from domain.errors import Conflict, Invalid
from domain.ports import EnvironmentSpec
from tests.domain.assets.registering import put_environment, refused
from tests.kit.stages.asset_stage import CONDA, AssetStage

SKLEARN = "azureml://registries/azureml/environments/sklearn-1.5"


@pytest.fixture(name="context")
async def _context(stage: AssetStage) -> str:
    await stage.upload("context/Dockerfile", b"FROM scratch\n")
    await stage.upload("context/docker/other", b"FROM scratch\n")
    return "azureml://datastores/workspaceblobstore/paths/context"


def test_the_page_is_what_the_tables_say() -> None:
    page = Path(__file__).parents[4] / curated_environments.PAGE
    assert page.read_text(encoding="utf-8") == curated_environments.page(), (
        f"run: python -m domain.assets.images.curated_environments > {curated_environments.PAGE}"
    )


@pytest.mark.parametrize("end", ["labels/latest", "versions/33"])
async def test_a_curated_environment_stands_for_packages(stage: AssetStage, end: str) -> None:
    spec, kept = await stage.registration.environment_spec(f"{SKLEARN}/{end}")
    assert kept == f"{SKLEARN}/{end}"
    assert spec.python == HOST_PYTHON
    assert "scikit-learn~=1.5.0" in spec.requirements
    assert not spec.needs_image


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("azureml://registries/azureml/environments/automl-gpu/labels/latest", "sklearn-1.5"),
        (f"{SKLEARN}/labels/newest", "labels/latest"),
        (SKLEARN, "is not a reference"),
        ("azureml://registries/mine/environments/sklearn-1.5/versions/1", "registry"),
    ],
)
async def test_what_is_no_curated_environment_is_refused_by_name(
    stage: AssetStage, reference: str, told: str
) -> None:
    with pytest.raises(Invalid, match=told):
        await stage.registration.environment_spec(reference)


@pytest.mark.parametrize(
    "image",
    [
        "mcr.microsoft.com/azureml/curated/sklearn-1.5:33",
        "mcr.microsoft.com/azureml/curated/sklearn-1.5",
        f"mcr.microsoft.com/azureml/curated/sklearn-1.5@sha256:{'0' * 64}",
    ],
)
async def test_a_curated_environments_image_alone_is_that_environment(
    stage: AssetStage, image: str
) -> None:
    await put_environment(stage, image=image)
    found = await stage.registration.environment("env:1")
    assert found.spec == curated_environments.CURATED["sklearn-1.5"].spec


@pytest.mark.parametrize(
    "image",
    [
        "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest",
        "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
        "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04:latest",
        "mcr.microsoft.com/azureml/minimal-py312-inference:latest",
        "mcr.microsoft.com/azureml/curated/tensorflow-2.12-cuda11:latest",
        "ubuntu",
        "docker.io/library/python:3.11-slim",
        "continuumio/miniconda3:latest",
    ],
)
async def test_a_conda_file_on_a_base_image_that_adds_nothing_is_built_on_ours(
    stage: AssetStage, image: str
) -> None:
    await put_environment(stage, conda_file=CONDA, image=image)
    found = await stage.registration.environment("env:1")
    assert found.spec == EnvironmentSpec(HOST_PYTHON, ("joblib",))
    assert found.properties.image == image


@pytest.mark.parametrize(
    "image",
    ["mcr.example/base:1", "mcr.microsoft.com/azureml/promptflow/runtime:1", "someone/ubuntu:1"],
)
async def test_another_image_is_used_as_it_is(stage: AssetStage, image: str) -> None:
    assert not base_images.is_ours(image)
    await put_environment(stage, "1", image=image)
    await put_environment(stage, "2", image=image, conda_file=CONDA)
    alone = (await stage.registration.environment("env:1")).spec
    below = (await stage.registration.environment("env:2")).spec
    assert alone == EnvironmentSpec("", (), image=image)
    assert below == EnvironmentSpec(HOST_PYTHON, ("joblib",), image=image)
    for spec in (alone, below):
        (reason,) = await stage.compute.capabilities.refusals(spec, None)
        assert f"'{image}'" in reason
        assert "ML_ENDPOINTS_COMPUTE=docker" in reason


async def test_a_builds_context_is_what_was_registered(stage: AssetStage, context: str) -> None:
    build = BuildContext(context_uri=context, dockerfile_path="./docker/other")
    await put_environment(stage, build=build)
    spec = (await stage.registration.environment("env:1")).spec
    assert spec.build is not None
    assert spec.build.dockerfile == "./docker/other"
    assert (spec.build.context.container, spec.build.context.path) == (
        "workspaceblobstore",
        "context",
    )
    assert spec.build.context.seal
    (reason,) = await stage.compute.capabilities.refusals(spec, None)
    assert "an image that is built" in reason


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ({"dockerfile_path": "../Dockerfile"}, "build.dockerfilePath"),
        ({"dockerfile_path": "/etc/passwd"}, "build.dockerfilePath"),
        ({"dockerfile_path": "docker/none"}, "build.dockerfilePath"),
        ({"context_uri": "CONTEXT/../x"}, "build.contextUri"),
        ({"context_uri": "CONTEXT/Dockerfile"}, "build.contextUri"),
        ({"context_uri": "CONTEXT/nothing"}, "build.contextUri"),
        ({"context_uri": "https://github.com/a/b.git"}, "build.contextUri"),
    ],
)
async def test_a_context_that_is_none_is_refused(
    stage: AssetStage, context: str, wanted: dict[str, str], target: str
) -> None:
    uri = wanted.get("context_uri", "CONTEXT").replace("CONTEXT", context)
    build = BuildContext(
        context_uri=uri, dockerfile_path=wanted.get("dockerfile_path", "Dockerfile")
    )
    error = await refused(stage, ENVIRONMENTS, EnvironmentVersionProperties(build=build))
    assert error.target == f"properties.{target}"


async def test_a_build_is_alone(stage: AssetStage, context: str) -> None:
    wanted = EnvironmentVersionProperties(
        build=BuildContext(context_uri=context), conda_file=CONDA, image="mcr.example/base:1"
    )
    error = await refused(stage, ENVIRONMENTS, wanted)
    assert "leave out the condaFile" in error.message


async def test_a_version_keeps_its_build(stage: AssetStage, context: str) -> None:
    await put_environment(stage, build=BuildContext(context_uri=context))
    with pytest.raises(Conflict, match='"dockerfile_path": "Dockerfile"'):
        await put_environment(
            stage, build=BuildContext(context_uri=context, dockerfile_path="docker/other")
        )
