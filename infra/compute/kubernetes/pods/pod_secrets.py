"""What a group's pods are told and nobody else may read."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from infra.compute.ground.image_layout import CODE, MODEL, PYTHON
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import NodeGroup
from infra.compute.token_door import token_door, token_door_variables

SECRET: Final = "ML_ENDPOINTS_NODE_SECRET"
SPEC: Final = "ML_ENDPOINTS_NODE_SPEC"
DOCKER_CONFIG: Final = ".dockerconfigjson"
PULL: Final = "pull"
_SERVER: Final = "server."


def secrets_of(group: NodeGroup, image: ProgramImage) -> Mapping[str, str]:
    """As a Secret has them."""
    spec: Mapping[str, Any] = _spec(group, image)
    told = {SECRET: group.secret, SPEC: json.dumps(spec)}
    told |= {f"{_SERVER}{name}": value for name, value in server_variables(group, image).items()}
    return {name: coded(value) for name, value in told.items()}


def server_key(name: str) -> str:
    """Where the Secret has a variable of the user's own server."""
    return f"{_SERVER}{name}"


def server_variables(group: NodeGroup, image: ProgramImage) -> Mapping[str, str]:
    """Of the user's own server, as Azure ML has them; the user's own over these."""
    program, server = group.program, group.program.server
    if server is None:
        return {}
    variables = dict(token_door_variables(group))
    if image.has_model:
        variables["AZUREML_MODEL_DIR"] = server.model_folder
    if image.has_code:
        variables["AML_APP_ROOT"] = f"{server.code_folder}/{image.code_root}".rstrip("/")
        if program.scoring_script is not None:
            variables["AZUREML_ENTRY_SCRIPT"] = program.scoring_script
    return {**variables, **program.environment_variables}


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _spec(group: NodeGroup, image: ProgramImage) -> Mapping[str, Any]:
    """As the agent reads it."""
    if group.program.server is not None:
        return {**group.spec, **token_door(group), "python": PYTHON}
    root = {"root": image.code_root} if image.code_root else {}
    model = {"model": {"path": MODEL}} if image.has_model else {}
    return {**group.spec, "python": PYTHON, "code": {"path": CODE, **root}, **model}
