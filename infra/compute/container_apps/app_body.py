"""The app of a node, as Azure Resource Manager is told of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.ports import Credentials, OwnServer, Program
from infra.compute.container_apps.app_names import Place, node_id, tags_of
from infra.compute.container_apps.app_sizes import AppSize
from infra.compute.ground.image_layout import CODE, MODEL, PYTHON, RUNTIME
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import NodeGroup
from infra.compute.token_door import token_door, token_door_variables

AGENT: Final = "agent"
SERVER: Final = "server"
_FILL: Final = "fill"
_AGENT_PORTS: Final = (5001, 15001, 25001, 35001)
_SECRET: Final = "node-secret"
_SPEC: Final = "node-spec"
_PASSWORD: Final = "registry-password"
_LONGEST_END: Final = 600
"""Seconds that the platform lets a node end in."""
_AGENT_CPU: Final = 0.25
_FILES: Final = "files"
"""A volume with the model and the code of a server of the user's own."""
_COPY: Final = """\
import os, shutil, sys
for place in sys.argv[1:]:
    shutil.copytree(place, "/files/" + os.path.basename(place), symlinks=True)
"""


@dataclass(frozen=True)
class Mount:
    """A storage of the environment's, seen at `place`."""

    storage: str
    place: str


@dataclass(frozen=True)
class Surroundings:
    """What every app has. `environment` is the ARM id of where they are, `profile` the name there
    of a workload profile. Images are pulled as `puller`, an ARM id, or by `credentials`."""

    environment: str
    location: str
    profile: str
    puller: str | None
    credentials: Credentials | None
    mounts: Sequence[Mount]
    identities: bool
    """Whether apps are to be who their program is; else its agents are given tokens."""


def app_body(
    installation: str,
    group: NodeGroup,
    image: ProgramImage,
    place: Place,
    size: AppSize,
    around: Surroundings,
) -> dict[str, Any]:
    """One app for one node: never more, never fewer, so that it can be addressed."""
    port = agent_port(group.program)
    return {
        "location": around.location,
        "tags": dict(tags_of(installation, group, place)),
        **_identity(group.program, around),
        "properties": {
            "environmentId": around.environment,
            "workloadProfileName": around.profile,
            "configuration": {
                "activeRevisionsMode": "Single",
                "ingress": {
                    "external": True,  # of an environment that has no way in but its network
                    "targetPort": port,
                    "transport": "http",
                    "allowInsecure": False,
                    "traffic": [{"latestRevision": True, "weight": 100}],
                },
                **_registries(image, around),
                "secrets": _secrets(group, image, around),
                **_lifecycles(group.program, around),
            },
            "template": {
                "containers": _containers(group, image, place, size, around, port),
                **_initial(group.program, image),
                "scale": {"minReplicas": 1, "maxReplicas": 1},
                "volumes": _volumes(group.program, around),
                "terminationGracePeriodSeconds": min(round(group.drain) + 5, _LONGEST_END),
            },
        },
    }


def agent_port(program: Program) -> int:
    """One that the server beside the agent does not use: both have the same ports."""
    taken = program.server.ports if program.server is not None else frozenset()
    return next(port for port in _AGENT_PORTS if port not in taken)


# -- who it is


def _given(program: Program, around: Surroundings) -> tuple[str, ...]:
    if program.identity is None or not around.identities:
        return ()
    return program.identity.given


def _identity(program: Program, around: Surroundings) -> dict[str, Any]:
    own = around.identities and program.identity is not None and program.identity.own
    ids = {*_given(program, around), *([around.puller] if around.puller else [])}
    kinds = [
        *(["SystemAssigned"] if own else []),
        *(["UserAssigned"] if ids else []),
    ]
    if not kinds:
        return {}
    named: dict[str, Any] = (
        {"userAssignedIdentities": {id: {} for id in sorted(ids)}} if ids else {}
    )
    return {"identity": {"type": ",".join(kinds), **named}}


def _lifecycles(program: Program, around: Surroundings) -> dict[str, Any]:
    """Who pulls the image is nobody that a script may be."""
    if around.puller is None or around.puller in _given(program, around):
        return {}
    return {"identitySettings": [{"identity": around.puller, "lifecycle": "None"}]}


def _registries(image: ProgramImage, around: Surroundings) -> dict[str, Any]:
    server = image.name.partition("/")[0]
    if around.puller is not None:
        return {"registries": [{"server": server, "identity": around.puller}]}
    if around.credentials is None:
        return {}
    user = around.credentials.username
    return {"registries": [{"server": server, "username": user, "passwordSecretRef": _PASSWORD}]}


def _secrets(group: NodeGroup, image: ProgramImage, around: Surroundings) -> list[dict[str, str]]:
    told = {_SECRET: group.secret, _SPEC: json.dumps(_spec(group, image, around))}
    if around.puller is None and around.credentials is not None:
        told[_PASSWORD] = around.credentials.password
    return [{"name": name, "value": value} for name, value in told.items()]


# -- what it runs


def _spec(group: NodeGroup, image: ProgramImage, around: Surroundings) -> Mapping[str, Any]:
    spec = {**group.spec, "python": PYTHON}
    if around.identities:
        spec.pop("identity", None)  # the platform gives tokens itself
    if group.program.server is not None:
        return {**spec, **({} if around.identities else token_door(group))}
    spec["code"] = {"path": CODE, **({"root": image.code_root} if image.code_root else {})}
    if image.has_model:
        spec["model"] = {"path": MODEL}
    return spec


def _containers(
    group: NodeGroup,
    image: ProgramImage,
    place: Place,
    size: AppSize,
    around: Surroundings,
    port: int,
) -> list[dict[str, Any]]:
    server = group.program.server
    cpu = size.cpu if server is None else _AGENT_CPU
    mounts = [{"volumeName": m.storage, "mountPath": m.place} for m in around.mounts]
    agent = {
        "name": AGENT,
        "image": image.name,
        "command": [PYTHON, "-I", RUNTIME, "node"],
        "env": [
            {"name": "ML_ENDPOINTS_NODE_SECRET", "secretRef": _SECRET},
            {"name": "ML_ENDPOINTS_NODE_SPEC", "secretRef": _SPEC},
            {"name": "ML_ENDPOINTS_NODE_ID", "value": node_id(group.name, place)},
            {"name": "ML_ENDPOINTS_NODE_PORT", "value": str(port)},
        ],
        "resources": _resources(cpu, size.memory * cpu / size.cpu),
        "probes": _probes(port),
        "volumeMounts": mounts,
    }
    if server is None:
        return [agent]
    left = size.cpu - cpu
    variables = _variables(group, server, image, around)
    beside: dict[str, Any] = {
        "name": SERVER,
        "image": image.server,
        "env": [{"name": n, "value": v} for n, v in variables.items()],
        "resources": _resources(left, size.memory * left / size.cpu),
        "volumeMounts": [*mounts, *_filled(server, image)],
    }
    if server.command:
        beside["command"] = list(server.command)
    return [agent, beside]


def _resources(cpu: float, memory: float) -> dict[str, Any]:
    return {"cpu": cpu, "memory": f"{memory:g}Gi"}


def _probes(port: int) -> list[dict[str, Any]]:
    """Of the agent, which keeps a deployment's own probes itself, whatever their bounds: it answers
    from its first second on, and tells why a model does not."""
    asked = {"httpGet": {"path": "/livez", "port": port, "scheme": "HTTP"}, "timeoutSeconds": 5}
    return [
        {"type": "Startup", **asked, "periodSeconds": 3, "failureThreshold": 10},
        {"type": "Liveness", **asked, "periodSeconds": 10, "failureThreshold": 3},
        {"type": "Readiness", **asked, "periodSeconds": 5, "failureThreshold": 3},
    ]


# -- a server of the user's own


def _variables(
    group: NodeGroup, server: OwnServer, image: ProgramImage, around: Surroundings
) -> Mapping[str, str]:
    program = group.program
    variables = {} if around.identities else dict(token_door_variables(group))
    if image.has_model:
        variables["AZUREML_MODEL_DIR"] = server.model_folder
    if image.has_code:
        root = f"{server.code_folder}/{image.code_root}".rstrip("/")
        variables["AML_APP_ROOT"] = root
        if program.scoring_script is not None:
            variables["AZUREML_ENTRY_SCRIPT"] = program.scoring_script
    return {**variables, **program.environment_variables}


def _filled(server: OwnServer, image: ProgramImage) -> list[dict[str, Any]]:
    at = {"model": server.model_folder} if image.has_model else {}
    at |= {"code": server.code_folder} if image.has_code else {}
    return [
        {"volumeName": _FILES, "mountPath": place, "subPath": what} for what, place in at.items()
    ]


def _initial(program: Program, image: ProgramImage) -> dict[str, Any]:
    """Model and code are in the agent's image: what copies them to where the server sees them."""
    there = [MODEL] if image.has_model else []
    there += [CODE] if image.has_code else []
    if program.server is None or not there:
        return {}
    container = {
        "name": _FILL,
        "image": image.name,
        "command": [PYTHON, "-I", "-c", _COPY, *there],
        "resources": _resources(_AGENT_CPU, _AGENT_CPU * 2),
        "volumeMounts": [{"volumeName": _FILES, "mountPath": "/files"}],
    }
    return {"initContainers": [container]}


def _volumes(program: Program, around: Surroundings) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = [
        {"name": each.storage, "storageType": "AzureFile", "storageName": each.storage}
        for each in around.mounts
    ]
    if program.server is not None:
        told.append({"name": _FILES, "storageType": "EmptyDir"})
    return told
