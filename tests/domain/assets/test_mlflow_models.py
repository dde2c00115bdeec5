"""MLflow models that are served without a script: what their own files say of them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.assets.mlflow_models import MlflowModels
from domain.errors import Invalid
from domain.ports import EnvironmentSpec, SealedFolder
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.kit.stages.sealing import sealed

SIGNATURE = {"inputs": '[{"type": "double", "name": "a"}]', "outputs": None}
CONDA = """
channels: [conda-forge]
dependencies:
- python=3.11.7
- pip<=23
- pip:
  - mlflow-skinny==3.1
  - pandas
"""


def _mlmodel(**more: Any) -> str:
    flavor = {"loader_module": "mlflow.sklearn", "python_version": "3.11.4", **more}
    return json.dumps({"flavors": {"python_function": flavor}, "signature": SIGNATURE})


class CountedBlobStore(FileBlobStore):
    bytes_read = 0
    reads = 0

    async def read(self, *place: Any, **part: Any) -> AsyncIterator[bytes]:
        self.reads += 1
        async for piece in super().read(*place, **part):
            self.bytes_read += len(piece)
            yield piece


class Stage:
    def __init__(self, blobs: CountedBlobStore) -> None:
        self.blobs = blobs
        self.models = MlflowModels(blobs)

    async def put(self, **files: str) -> None:
        for name, text in files.items():
            path = f"iris/1/{name.replace('__', '.')}"
            await self.blobs.write("models", path, text.encode())

    async def environment(self) -> EnvironmentSpec:
        return await self.models.environment(await self.registered())

    async def registered(self) -> SealedFolder:
        await self.put(README="")
        folder = await sealed(self.blobs, "models", "iris/1")
        self.blobs.reads = self.blobs.bytes_read = 0
        return folder

    async def refused(self) -> str:
        with pytest.raises(Invalid) as caught:
            await self.environment()
        assert caught.value.details
        return str(caught.value.details[0].message)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    root, key = tmp_path, lambda: b"k" * 32
    return Stage(CountedBlobStore(root, base_url="https://example.test", key=key))


async def test_the_conda_file_that_the_model_names_is_its_environment(stage: Stage) -> None:
    env = {"conda": "my.yaml", "virtualenv": "python_env.yaml"}
    await stage.put(MLmodel=_mlmodel(env=env), my__yaml=CONDA, conda__yaml="nonsense")
    spec = await stage.environment()
    assert spec == EnvironmentSpec("3.11.7", ("mlflow-skinny==3.1", "pandas"))
    await stage.put(MLmodel=_mlmodel(env="my.yaml"))
    assert await stage.environment() == spec


async def test_without_one_python_env_and_its_requirements_are(stage: Stage) -> None:
    python_env = "python: 3.11.2\nbuild_dependencies: [pip]\ndependencies: [-r requirements.txt]\n"
    requirements = "# made by mlflow\nmlflow==3.1\n\npandas>=2  # tables\n"
    await stage.put(MLmodel=_mlmodel(), python_env__yaml=python_env, requirements__txt=requirements)
    assert await stage.environment() == EnvironmentSpec("3.11.2", ("mlflow==3.1", "pandas>=2"))


async def test_requirements_alone_are_built_for_the_python_of_the_flavor(stage: Stage) -> None:
    await stage.put(MLmodel=_mlmodel(), requirements__txt="mlflow==3.1\nnumpy\n")
    assert await stage.environment() == EnvironmentSpec("3.11.4", ("mlflow==3.1", "numpy"))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "no python_function flavor"),
        ({"MLmodel": "flavors: {sklearn: {}}"}, "no python_function flavor"),
        ({"MLmodel": "flavors: ["}, "MLmodel is not valid YAML"),
        ({"MLmodel": "[" * 100_000}, "nested 16 deep"),
        ({"MLmodel": "- 1"}, "MLmodel is not a mapping"),
        ({"MLmodel": " " * (1 << 19)}, "A model's MLmodel is at most"),
        ({"MLmodel": " " * (1 << 21)}, "larger than"),
        ({"MLmodel": _mlmodel()}, "says nothing of its environment"),
        (
            {"MLmodel": _mlmodel(), "conda__yaml": "dependencies: [r-base, {pip: [mlflow]}]"},
            "The model's conda.yaml: The conda package 'r-base' has no known counterpart",
        ),
        (
            {"MLmodel": _mlmodel(), "conda__yaml": "dependencies: [{pip: [mlflow-export]}]"},
            "lists neither mlflow nor mlflow-skinny",
        ),
        (
            {"MLmodel": _mlmodel(), "requirements__txt": "--pre\nmlflow\n"},
            "The model's requirements.txt: '--pre' under pip is refused",
        ),
        (
            {"MLmodel": _mlmodel(), "python_env__yaml": "dependencies: [-r there.txt]"},
            "has no file 'there.txt'",
        ),
        (
            {"MLmodel": _mlmodel(), "python_env__yaml": "dependencies: [-r ../../x]"},
            "is not a path of the model's own",
        ),
    ],
)
async def test_what_cannot_be_built_is_refused_with_the_reason(
    stage: Stage, files: dict[str, str], told: str
) -> None:
    await stage.put(**files)
    assert told in await stage.refused()


async def test_a_list_that_is_named_often_is_read_once(stage: Stage) -> None:
    named = json.dumps({"dependencies": ["-r a.txt"] * 1000})
    await stage.put(MLmodel=_mlmodel(), python_env__yaml=named, a__txt="mlflow\n")
    assert (await stage.environment()).requirements == ("mlflow",)
    assert stage.blobs.reads <= 6


@pytest.mark.parametrize(
    ("size", "told"), [(1 << 20, "in over 1048576 bytes"), (10, "in over 16 files")]
)
async def test_many_lists_are_not_read_beyond_what_a_model_may_have(
    stage: Stage, size: int, told: str
) -> None:
    names = [f"r{n}.txt" for n in range(20)]
    named = json.dumps({"dependencies": [f"-r {name}" for name in names]})
    await stage.put(MLmodel=_mlmodel(), python_env__yaml=named)
    await stage.put(**{name.replace(".", "__"): "#" * size for name in names})
    assert told in await stage.refused()
    assert stage.blobs.bytes_read < 3 << 20
    assert stage.blobs.reads <= 25


async def test_a_model_without_a_signature_is_not_served_without_a_script(stage: Stage) -> None:
    await stage.put(MLmodel=_mlmodel())
    await stage.models.check(await stage.registered(), needs_signature=True)
    flavors = json.loads(_mlmodel())["flavors"]
    for signature in (None, {}, {"inputs": None}):
        await stage.put(MLmodel=json.dumps({"flavors": flavors, "signature": signature}))
        model = await stage.registered()
        with pytest.raises(Invalid, match="no signature"):
            await stage.models.check(model, needs_signature=True)
        # A job knows what it reads by the names of the files.
        await stage.models.check(model, needs_signature=False)
