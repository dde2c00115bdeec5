"""The pods of a group, held as the restricted standard of pod security has it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from domain.ports import ClusterPlace
from infra.compute.ground.image_layout import CODE, MODEL, PYTHON, RUNTIME
from infra.compute.kubernetes.api.kubernetes_api import Object
from infra.compute.kubernetes.cluster_types import ClusterTypes
from infra.compute.kubernetes.pods.pod_secrets import (
    PULL,
    SECRET,
    SPEC,
    server_key,
    server_variables,
)
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import NodeGroup

AGENT: Final = "node"
HOST_LABEL: Final[Mapping[str, str]] = {"ml-endpoints.host": "true"}
"""Of pods that hosts run in."""
SERVER: Final = "server"
_FILES: Final = "files"
LINGER: Final = 3
"""Seconds for which a pod that is told to go still takes requests: gateways use what they have read
for 2."""
_MARGIN: Final = 5
_USER: Final = 10001
_LEAST_MEMORY: Final = 6 * 2**20
_AGENT_MEMORY: Final = 128 * 2**20
_PORTS: Final = (5001, 15001, 25001, 35001)
_TRITON: Final = "tritonserver"
_SCRATCH: Final = "scratch"
_COPY: Final = (
    "import os, shutil, sys\n"
    "for each in sys.argv[1:]:\n"
    "    shutil.copytree(each, '/files/' + os.path.basename(each), symlinks=True,"
    " copy_function=shutil.copyfile, dirs_exist_ok=True)\n"
)
_WAIT: Final = f"import time; time.sleep({LINGER})"
_SERVER_CAPABILITIES: Final = (
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


@dataclass(frozen=True)
class Claim:
    """A PersistentVolumeClaim of the namespace that every pod sees at `path`."""

    name: str
    path: str
    is_read_only: bool


@dataclass(frozen=True)
class Surroundings:
    """What all pods of an installation have in common. `inside`: its hosts are pods of the cluster
    with a label; else they are in the networks `callers`, or anywhere, where none is named.
    `closed`: pods reach nobody but those. A pod asks for one part of its memory in
    `memory_overcommit`, and of its cores in `core_overcommit`. `pull` opens the registry of images,
    as a file of Docker's settings has it. `priorities` are classes of the cluster, by the mode of
    nodes (`serve`, `work`). `by_machines`: hosts reach a pod by the machine that it is on, not by
    its own address. `listed_every`: in seconds, where what there is is seen by lists from time to
    time and not by watches."""

    namespace: str
    inside: bool
    callers: Sequence[IPv4Network | IPv6Network]
    closed: bool
    memory_overcommit: float
    core_overcommit: float
    pull: str | None
    claims: Sequence[Claim]
    types: ClusterTypes
    priorities: Mapping[str, str]
    by_machines: bool
    listed_every: float | None


def port_of(group: NodeGroup) -> int:
    """The agent's: one that a server beside it does not use, since both have the same."""
    taken = group.program.server.ports if group.program.server is not None else frozenset()
    return next(port for port in _PORTS if port not in taken)


def pod_of(group: NodeGroup, image: ProgramImage, name: str, around: Surroundings) -> Object:
    """With the Secrets and the ServiceAccount of that name."""
    program = group.program
    volumes: list[Object] = [
        {"name": _SCRATCH, "emptyDir": {"medium": "Memory", "sizeLimit": str(_memory(group) // 2)}},
        *(
            {"name": f"claim-{number}", "persistentVolumeClaim": _source(each)}
            for number, each in enumerate(around.claims)
        ),
    ]
    spec: Object = {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": math.ceil(group.drain) + LINGER + _MARGIN,
        "securityContext": {
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
            **({} if program.server is not None else _AS_NOBODY),
        },
        "containers": [_agent(group, image, name, around)],
        "volumes": volumes,
    }
    priority = around.priorities.get(str(group.spec.get("mode")))
    if priority is not None:
        spec["priorityClassName"] = priority
    place = _place(group, around)
    if place is not None and place.selector:
        spec["nodeSelector"] = dict(place.selector)
    if around.pull is not None:
        spec["imagePullSecrets"] = [{"name": f"{name}-{PULL}"}]
    if program.server is not None:
        spec["containers"].append(_server(group, image, name, around))
        folders = [MODEL] * image.has_model + [CODE] * image.has_code
        if folders:
            volumes += [{"name": _volume(each), "emptyDir": {}} for each in folders]
            spec["initContainers"] = [_files(image, folders)]
    return spec


_AS_NOBODY: Final = {"runAsNonRoot": True, "runAsUser": _USER, "runAsGroup": _USER}
_HELD: Final[Mapping[str, Any]] = {
    **_AS_NOBODY,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def _agent(group: NodeGroup, image: ProgramImage, name: str, around: Surroundings) -> Object:
    port = port_of(group)
    return {
        "name": AGENT,
        "image": image.name,
        "imagePullPolicy": "IfNotPresent",
        "command": [PYTHON, "-I", RUNTIME, "node"],
        "env": [
            _secret(SECRET, name, SECRET),
            _secret(SPEC, name, SPEC),
            {
                "name": "ML_ENDPOINTS_NODE_ID",
                "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
            },
            {"name": "ML_ENDPOINTS_NODE_PORT", "value": str(port)},
        ],
        "ports": [{"name": AGENT, "containerPort": port, "protocol": "TCP"}],
        "resources": _agent_resources(group, around),
        "securityContext": _HELD,
        "volumeMounts": [{"name": _SCRATCH, "mountPath": "/tmp"}, *_claimed(around)],
        "readinessProbe": _probe("/readyz", port, period=5, failures=1),
        "livenessProbe": _probe("/livez", port, period=10, failures=_patience(group)),
        "lifecycle": {"preStop": {"exec": {"command": [PYTHON, "-I", "-c", _WAIT]}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _server(group: NodeGroup, image: ProgramImage, name: str, around: Surroundings) -> Object:
    """The user's own, which has the image's own user, and a root that may be written to."""
    program, server = group.program, group.program.server
    if server is None:
        raise ValueError("the program has no server of its own")
    places = {MODEL: server.model_folder} if image.has_model else {}
    places |= {CODE: server.code_folder} if image.has_code else {}
    found: Object = {
        "name": SERVER,
        "image": image.server,
        "imagePullPolicy": "IfNotPresent",
        "env": [_secret(each, name, server_key(each)) for each in server_variables(group, image)],
        "resources": _resources(group, around),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": list(_SERVER_CAPABILITIES)},
        },
        "volumeMounts": [
            *(
                {"name": _volume(source), "mountPath": target, "readOnly": True}
                for source, target in places.items()
            ),
            *_claimed(around),
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if server.command:
        found["args"] = list(server.command)
        if server.command[0] == _TRITON and program.environment.python:
            found["args"] = [PYTHON, "-I", RUNTIME, "triton", *server.command[1:]]
    return found


def _files(image: ProgramImage, folders: Sequence[str]) -> Object:
    """Copies what a server beside the agent is to find from the image that has it."""
    return {
        "name": _FILES,
        "image": image.name,
        "imagePullPolicy": "IfNotPresent",
        "command": [PYTHON, "-I", "-c", _COPY, *folders],
        "securityContext": _HELD,
        "volumeMounts": [
            {"name": _volume(each), "mountPath": f"/files/{_volume(each)}"} for each in folders
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _source(claim: Claim) -> Object:
    return {"claimName": claim.name, "readOnly": claim.is_read_only}


def _claimed(around: Surroundings) -> list[Object]:
    return [
        {"name": f"claim-{number}", "mountPath": each.path, "readOnly": each.is_read_only}
        for number, each in enumerate(around.claims)
    ]


def _volume(folder: str) -> str:
    return folder.rpartition("/")[2]


def _memory(group: NodeGroup) -> int:
    return max(_LEAST_MEMORY, group.program.size.memory)


def _agent_resources(group: NodeGroup, around: Surroundings) -> Object:
    """Of one that runs the model, or stands beside a server that does."""
    if group.program.server is None:
        return _resources(group, around)
    memory = str(_AGENT_MEMORY)
    return {"requests": {"cpu": "10m", "memory": memory}, "limits": {"memory": memory}}


def _resources(group: NodeGroup, around: Surroundings) -> Object:
    """As its type of the cluster says; else a part of its size is asked for."""
    size, memory = group.program.size, _memory(group)
    place = _place(group, around)
    if place is not None:
        return {"requests": dict(place.requests), "limits": dict(place.limits)}
    least = max(_LEAST_MEMORY, int(memory / around.memory_overcommit))
    requests = {"cpu": _cores(size.cpu / around.core_overcommit), "memory": str(least)}
    return {"requests": requests, "limits": {"cpu": _cores(size.cpu), "memory": str(memory)}}


def _place(group: NodeGroup, around: Surroundings) -> ClusterPlace | None:
    """None for what is no type of the cluster's."""
    size = group.program.size
    known = around.types.types.get(size.name.lower())
    return size.place or (known.place if known is not None else None)


def _cores(cores: float) -> str:
    return f"{max(1, round(cores * 1000))}m"


def _secret(variable: str, secret: str, key: str) -> Object:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _patience(group: NodeGroup) -> int:
    """In tens of seconds. A script may keep its process from answering for as long as a request may
    take; hosts look more often, and replace what is silent."""
    return 6 + math.ceil(group.drain / 10)


def _probe(path: str, port: int, *, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
