"""The container of a server of the user's own, which shares the network of its agent's."""

from collections.abc import Mapping
from typing import Any, Final

from domain.ports import OwnServer, Program
from infra.compute.docker import labels as names
from infra.compute.docker.images import Image
from infra.compute.docker.labels import Labels
from infra.compute.ground.image_layout import CODE, MODEL, PYTHON, RUNTIME
from infra.compute.remote.fleet import NodeGroup
from infra.compute.token_door import token_door_variables

ROLE: Final = "server"
_CAPABILITIES: Final = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETUID",
)
"""What images of servers count on that begin as root and then give that up."""
_TRITON: Final = "tritonserver"
_AGENT_PORTS: Final = (5001, 15001, 25001, 35001)


def agent_port(program: Program) -> int:
    """One that the server beside the agent does not use: both have the same ports."""
    taken = program.server.ports if program.server is not None else frozenset()
    return next(port for port in _AGENT_PORTS if port not in taken)


def filling(group: str, image: Image, labels: Labels) -> list[Mapping[str, Any]]:
    """What an agent's container is given so that there are volumes with the model and the code:
    the engine copies what the image has at the place of a volume that is empty."""
    at = {"model": MODEL} if image.has_model else {}
    at |= {"code": CODE} if image.has_code else {}
    return [
        {
            "Type": "volume",
            "Source": labels.volume(group, what),
            "Target": target,
            "VolumeOptions": {"Labels": labels.of_network},
        }
        for what, target in at.items()
    ]


def server_body(
    group: NodeGroup,
    image: Image,
    agent: str,
    of: Mapping[str, Any],
    memory: int,
) -> Mapping[str, Any]:
    """Beside the container `agent`, whose body is `of`: of the same group, and with `memory` of its
    own. The image's own user, and a root of its own that may be written to."""
    program, server = group.program, group.program.server
    if server is None:
        raise ValueError("the program has no server of its own")
    host, labels = of["HostConfig"], of["Labels"]
    body: dict[str, Any] = {
        "Image": image.server,
        "Env": [f"{name}={value}" for name, value in _variables(group, server, image).items()],
        "Labels": {**labels, names.ROLE: ROLE},
        "HostConfig": {
            "NetworkMode": f"container:{agent}",
            "Binds": host["Binds"],
            "Mounts": _mounts(server, image, host["Mounts"]),
            "Memory": memory,
            "MemorySwap": memory,
            "ShmSize": memory // 2,
            "NanoCpus": host["NanoCpus"],
            "PidsLimit": host["PidsLimit"],
            "CapDrop": ["ALL"],
            "CapAdd": list(_CAPABILITIES),
            "SecurityOpt": ["no-new-privileges"],
            "RestartPolicy": {"Name": "no"},
            "LogConfig": host["LogConfig"],
        },
    }
    if server.command:
        body["Cmd"] = list(server.command)
        if server.command[0] == _TRITON and program.environment.python:
            body["Cmd"] = [PYTHON, "-I", RUNTIME, "triton", *server.command[1:]]
    return body


def _variables(group: NodeGroup, server: OwnServer, image: Image) -> Mapping[str, str]:
    """As Azure ML has them; the user's own over these."""
    program, variables = group.program, dict(token_door_variables(group))
    if image.has_model:
        variables["AZUREML_MODEL_DIR"] = server.model_folder
    if image.has_code:
        root = f"{server.code_folder}/{image.code_root}".rstrip("/")
        variables["AML_APP_ROOT"] = root
        if program.scoring_script is not None:
            variables["AZUREML_ENTRY_SCRIPT"] = program.scoring_script
    return {**variables, **program.environment_variables}


def _mounts(
    server: OwnServer, image: Image, filled: list[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    at = {MODEL: server.model_folder, CODE: server.code_folder}
    return [
        {
            "Type": "volume",
            "Source": each["Source"],
            "Target": at[each["Target"]],
            "ReadOnly": True,
            "VolumeOptions": {"NoCopy": True},
        }
        for each in filled
    ]
