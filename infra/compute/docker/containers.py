"""A node as a container: what the engine is told, and what it shows."""

import json
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from infra.compute.docker import labels as names
from infra.compute.docker.images import Image
from infra.compute.docker.labels import Labels
from infra.compute.docker.server_containers import agent_port, filling
from infra.compute.ground.image_layout import CODE, MODEL, PYTHON, RUNTIME
from infra.compute.ground.owners import payer_tags
from infra.compute.remote.fleet import Node, NodeGroup, NodeState
from infra.compute.token_door import token_door

PORT: Final = 5001
MAX_DEATHS: Final = 5
_USER: Final = "10001:10001"
_PROCESSES: Final = 4096
_LEAST_MEMORY: Final = 6 * 2**20
_LOG: Final = {"Type": "json-file", "Config": {"max-size": "8m", "max-file": "2"}}
_BAD_START: Final = 2
"""The agent's exit status where its door could not be opened."""
_SERVER_LOST: Final = 3
"""The same where the user's own server answers no more."""
_ENDED: Final = ("exited", "dead", "removing")
_RUNS: Final = ("running", "paused", "restarting")
_AGENT: Final = "agent"
_NODE: Final = "node"
_AGENT_MEMORY: Final = 128 * 2**20


@dataclass(frozen=True)
class Machine:
    """What the engine has, in cores and bytes."""

    cpus: int
    memory: int


@dataclass(frozen=True)
class Surroundings:
    """Where a container runs, and what it sees of there."""

    machine: Machine
    network: str
    mounts: Sequence[str]


@dataclass(frozen=True)
class Place:
    """Which life of which node. `lives` counts those that ended one after the other."""

    number: int
    life: int
    lives: int


def body_of(
    group: NodeGroup, image: Image, place: Place, labels: Labels, around: Surroundings
) -> Mapping[str, Any]:
    """Read-only, without capabilities or root, held to its size. It may write to `/tmp` alone,
    which is memory of its own."""
    size, machine = group.program.size, around.machine
    memory = memory_for(group, around)
    has_server, port = group.program.server is not None, agent_port(group.program)
    spec = _spec(group, image)
    if has_server:
        spec = {**group.spec, **token_door(group), "python": PYTHON}
    return {
        "Image": image.name,
        "Entrypoint": [
            PYTHON,
            "-I",
            RUNTIME,
            "node",
        ],  # instead of the image's own, and its command
        "User": _USER,
        "Env": [
            f"ML_ENDPOINTS_NODE_SECRET={group.secret}",
            f"ML_ENDPOINTS_NODE_SPEC={json.dumps(spec)}",
            f"ML_ENDPOINTS_NODE_ID={node_id(group.name, place.number, place.life)}",
            f"ML_ENDPOINTS_NODE_PORT={port}",
        ],
        "Labels": {
            **payer_tags(group.key),
            names.INSTALLATION: labels.installation,
            names.GROUP: group.name,
            names.KEY: group.key,
            names.NUMBER: str(place.number),
            names.LIFE: str(place.life),
            names.LIVES: str(place.lives),
            names.ATTEMPT: str(group.attempt),
            names.PORT: str(port),
            names.ROLE: _AGENT if has_server else _NODE,
        },
        "HostConfig": {
            "NetworkMode": around.network,
            "Binds": list(around.mounts),
            "Mounts": filling(group.name, image, labels) if has_server else [],
            "Memory": _AGENT_MEMORY if has_server else memory,
            "MemorySwap": _AGENT_MEMORY if has_server else memory,
            "NanoCpus": round(min(size.cpu, machine.cpus) * 1e9),
            "PidsLimit": _PROCESSES,
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={memory // 2}"},
            "RestartPolicy": {"Name": "no"},
            "LogConfig": _LOG,
        },
    }


def memory_for(group: NodeGroup, around: Surroundings) -> int:
    """In bytes."""
    return max(_LEAST_MEMORY, min(group.program.size.memory, around.machine.memory))


def _spec(group: NodeGroup, image: Image) -> Mapping[str, Any]:
    return {
        **group.spec,
        "python": PYTHON,
        "code": {"path": CODE, **({"root": image.code_root} if image.code_root else {})},
        **({"model": {"path": MODEL}} if image.has_model else {}),
    }


def node_id(group: str, number: int, life: int) -> str:
    return f"{group}-{number}.{life}"


@dataclass(frozen=True)
class Container:
    """One that the engine lists; of an agent, with the `server` beside it."""

    id: str
    state: str
    labels: Mapping[str, str]
    address: str | None
    server: "Container | None" = None

    @classmethod
    def of(cls, listed: Mapping[str, Any]) -> "Container":
        networks = (listed.get("NetworkSettings") or {}).get("Networks") or {}
        ips = [each["IPAddress"] for each in networks.values() if each.get("IPAddress")]
        labels = listed.get("Labels") or {}
        address = f"{ips[0]}:{labels.get(names.PORT, PORT)}" if ips else None
        return cls(listed["Id"], listed["State"], labels, address)

    @property
    def group(self) -> str:
        return self.labels[names.GROUP]

    @property
    def place(self) -> Place:
        label = self.labels
        return Place(int(label[names.NUMBER]), int(label[names.LIFE]), int(label[names.LIVES]))

    @property
    def attempt(self) -> int:
        return int(self.labels[names.ATTEMPT])

    @property
    def key(self) -> tuple[str, int, int]:
        """Both containers of a node have the same."""
        place = self.place
        return self.group, place.number, place.life

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all that there is of the node, in the order in which it was begun."""
        return (self.id,) if self.server is None else (self.id, self.server.id)

    @property
    def has_ended(self) -> bool:
        """All of the node does when a part of it has."""
        return self.state in _ENDED or (self.server is not None and self.server.state in _ENDED)

    @property
    def runs(self) -> bool:
        """Whether a process of any part of it may be there."""
        parts = (self,) if self.server is None else (self, self.server)
        return any(part.state in _RUNS for part in parts)

    @property
    def ended_part(self) -> "Container | None":
        """What has ended of it, or could perhaps not be started."""
        parts = (self,) if self.server is None else (self, self.server)
        return next((part for part in parts if part.state in (*_ENDED, "created")), None)

    @property
    def lacks_server(self) -> bool:
        return self.labels.get(names.ROLE) == _AGENT and self.server is None

    @property
    def is_begun(self) -> bool:
        """Whether there is nothing more to be made or started of it."""
        is_whole = self.server is None or self.server.state != "created"
        return self.state != "created" and is_whole and not self.lacks_server

    def node(self, *, leaving: bool, ending: "Ending | None") -> Node:
        """`ending` of one that has ended, or could not be started."""
        place = self.place
        state = NodeState.COMING
        if ending is not None:
            state = NodeState.ENDED
        elif leaving:
            state = NodeState.LEAVING
        elif self.state in ("running", "paused") and self.is_begun:
            state = NodeState.RUNNING
        return Node(
            id=node_id(self.group, place.number, place.life),
            group=self.group,
            number=place.number,
            state=state,
            address=self.address,
            attempt=self.attempt,
            code=ending.code if ending else None,
            reason=ending.reason if ending else None,
            hopeless=self.is_hopeless(ending),
        )

    def is_hopeless(self, ending: "Ending | None") -> bool:
        return ending is not None and (ending.final or self.place.lives > MAX_DEATHS)


@dataclass(frozen=True)
class Ending:
    """Why a container has ended."""

    code: str
    reason: str
    final: bool = False


def ending_of(inspected: Mapping[str, Any], log: str, lives: int) -> Ending:
    """By what the engine knows, and what was printed."""
    state = inspected["State"]
    words = end_of(log)
    again = f" It ended {lives} times in a row." if lives > MAX_DEATHS else ""
    if error := state.get("Error"):
        # Tried again: an engine that is just ending says such things, too.
        return Ending("ResourceNotReady", f"Its container cannot be started: {error}.{again}")
    status = int(state.get("ExitCode", 0))
    if state.get("OOMKilled"):
        told = f"It ran out of memory: its container has {memory_of(inspected)}, and was killed."
        return Ending("ResourceNotReady", f"{told}{again}{words}")
    if status in (_BAD_START, _SERVER_LOST) and (said := _said(log)) is not None:
        told = str(said.get("message", ""))
        return Ending(said["code"], f"{told}{again}", final=status == _BAD_START)
    told = f"Its container ended with exit status {status}"
    if status > 128:
        with suppress(ValueError):
            told += f" ({signal.Signals(status - 128).name})"
    return Ending("ResourceNotReady", f"{told}.{again}{words}")


def end_of(log: str) -> str:
    """As reasons end with it."""
    return f"\nThe end of its log:\n{log}" if log.strip() else ""


def memory_of(inspected: Mapping[str, Any]) -> str:
    return f"{inspected['HostConfig']['Memory'] / 2**20:,.0f} MiB of memory"


def _said(log: str) -> Mapping[str, Any] | None:
    """The agent's last word."""
    last = log.strip().rpartition("\n")[2]
    try:
        said = json.loads(last)
    except ValueError:
        return None
    return said if isinstance(said, dict) and isinstance(said.get("code"), str) else None
