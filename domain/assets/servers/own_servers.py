"""Which deployments have a server of their user's own, and what it is told.

An environment that is an image and says by its `inferenceConfig` where that is asked is such a
server; a Triton model without code has the Triton server. What has packages of its own to be
installed has our server, for the scoring script, whatever its `inferenceConfig` says.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from domain.assets.asset import EnvironmentVersion, ModelType, ModelVersion
from domain.assets.code_configuration import CodeConfiguration
from domain.assets.servers.inference_config import TRITON, InferenceConfig
from domain.ports import OwnServer

_HOME: Final = PurePosixPath("/var/azureml-app")
CODE_FOLDER: Final = str(_HOME / "code")
NO_REPOSITORY: Final = (
    "A triton_model is a model repository: a folder for each model, and in it one for each "
    "version, whose name is a number (models/resnet/1/model.onnx). There is none here."
)
MOUNT_PATH_FAULT: Final = (
    "modelMountPath is an absolute path without '..', below the root, and not of the system "
    "(such as /models or /mnt/models)."
)
_SYSTEM: Final = frozenset(
    {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "usr"}
)


def config_of(
    environment: EnvironmentVersion | None,
    model: ModelVersion | None,
    code: CodeConfiguration | None,
) -> InferenceConfig | None:
    """Where the server is asked; None for a deployment that has ours."""
    told = environment.properties.inference_config if environment is not None else None
    if environment is not None and told is not None and environment.is_image_alone:
        return told
    return TRITON if is_triton(model) and code is None else None


def is_triton(model: ModelVersion | None) -> bool:
    return model is not None and model.properties.model_type is ModelType.TRITON


def mount_path_fault(path: str) -> str | None:
    parts = PurePosixPath(path).parts
    good = path.startswith("/") and len(parts) > 1 and ".." not in parts and path.isprintable()
    return None if good and parts[1] not in _SYSTEM and len(path) <= 1024 else MOUNT_PATH_FAULT


def repository_of(model: str, files: Sequence[str]) -> str | None:
    """Where in a model's folder its Triton repository is: of a folder at `model`, with these
    `files`, all as blobs. '' for that itself, None where there is none."""
    if any(_versioned(name, model, depth=0) for name in files):
        return ""
    if any(_versioned(name, model, depth=1) for name in files):
        return PurePosixPath(model).name
    return None


def server_of(
    config: InferenceConfig,
    model: ModelVersion | None,
    mount_path: str | None,
    repository: str | None,
) -> OwnServer:
    """`repository` is that of a Triton model whose server is begun by us."""
    folder = mount_path
    if folder is None:
        named = (model.name, model.version) if model is not None else ()
        folder = str(_HOME.joinpath("azureml-models", *named))
    command: tuple[str, ...] = ()
    if repository is not None:
        place = PurePosixPath(folder) / repository
        command = ("tritonserver", f"--model-repository={place}")
    liveness, readiness = config.probes
    return OwnServer(
        scoring=config.scoring_route.told,
        liveness=liveness,
        readiness=readiness,
        model_folder=folder,
        code_folder=CODE_FOLDER,
        command=command,
    )


def _versioned(name: str, model: str, *, depth: int) -> bool:
    """Whether a file is one of a numbered version, `depth` folders below the model's."""
    if not name.startswith(f"{model}/") and model:
        return False
    parts = PurePosixPath(name.removeprefix(model).lstrip("/")).parts
    return len(parts) > depth + 1 and parts[depth].isdecimal()
