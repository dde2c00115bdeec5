"""What keeps containers from the addresses where clouds give a machine's own credentials away."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from domain.errors import Unavailable
from infra.compute.docker.engine import Engine, EngineRefusal, printed
from infra.compute.docker.image_builds import KEPT_LINES, ImageBuilds
from infra.compute.docker.labels import Labels
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.routes import route_rules

_log = logging.getLogger(__name__)

_PROGRAM: Final = Path(route_rules.__file__).read_text(encoding="utf-8")
_BRIDGE: Final = "com.docker.network.bridge.name"
_RUN: Final = 180.0
"""Seconds for each step of a container that lives for a moment: a busy engine takes its time."""
_NO_ANSWER: Final = 0
"""The status of a refusal that is our own."""
_LACKING: Final = {"action": "isolation_lacking"}


class MetadataGuard:
    """Rules of the routes of the engine's machine, made for each network by a container that does
    nothing else: whoever may use an engine may start one. It runs `image`, of the owner's choice,
    which has a python3 and is got by `builds` where it is not there.

    They hold until that machine is started anew, for which this host then sees no engine for a
    while: what was held before that is tried again. `required`: without them no container is
    started."""

    def __init__(self, engine: Engine, builds: ImageBuilds, image: str, *, required: bool) -> None:
        self._engine = engine
        self._builds = builds
        self._image = image
        self._required = required
        self._turn = asyncio.Lock()
        self._kept: set[str] = set()
        self._outages = 0
        self._fault: str | None = None

    @property
    def fault(self) -> str | None:
        """Why it is not held; None where it is, or was not needed yet."""
        return self._fault

    async def keep(self, network: str, labels: Labels) -> None:
        """What is in the network with this id does not reach them from now on. Raises EngineRefusal
        where that is required and cannot be had, and Unavailable."""
        async with self._turn:
            if self._outages != self._engine.outages:
                self._kept.clear()
                self._outages = self._engine.outages
            if network not in self._kept:
                await self._try(network, labels)

    async def _try(self, network: str, labels: Labels) -> None:
        told = await self._engine.get(f"networks/{network}")
        bridge = (told.get("Options") or {}).get(_BRIDGE, f"br-{network[:12]}")
        fault = await self._refused(bridge, labels)
        if fault is not None and fault != self._fault:
            told = "Isolation of scripts: cloud metadata is NOT held: %s"
            _log.warning(told, fault, extra=_LACKING)
        self._fault = fault
        if fault is not None and self._required:
            told = f"ML_ENDPOINTS_ISOLATION is required, and cloud metadata is not held: {fault}"
            raise EngineRefusal(_NO_ANSWER, told)
        self._kept.add(network)

    async def _refused(self, bridge: str, labels: Labels) -> str | None:
        """None, or why the machine's routes do not refuse them."""
        try:
            await self._builds.pull(self._image, deque(maxlen=KEPT_LINES))
            body = dict(_body(self._image, bridge, labels))
            made = await self._engine.post("containers/create", body, limit=_RUN)
        except (EngineRefusal, StartFailure) as error:
            return f"the engine has not made what would see to it: {_words(error)}"
        id = made["Id"]
        try:
            await self._engine.post(f"containers/{id}/start", limit=_RUN)
            ended = await self._engine.post(f"containers/{id}/wait", limit=_RUN)
            if not ended["StatusCode"]:
                return None
            log = await self._engine.text(f"containers/{id}/logs", stdout=True, stderr=True)
            return f"the machine's routes cannot be changed: {printed(log).strip()[-300:]}"
        except EngineRefusal as refusal:
            return f"the engine has not started what would see to it: {refusal.message}"
        finally:
            with suppress(EngineRefusal, Unavailable):
                await self._engine.delete(f"containers/{id}", force=True)


def _body(image: str, bridge: str, labels: Labels) -> Mapping[str, Any]:
    """Of the machine it has the network alone, and rights over that."""
    return {
        "Image": image,
        "Entrypoint": ["python3", "-I", "-c", _PROGRAM, bridge],
        "Cmd": [],
        "User": "0:0",
        "Env": [],
        "Labels": labels.of_network,
        "HostConfig": {
            "NetworkMode": "host",
            "UsernsMode": "host",
            "CapDrop": ["ALL"],
            "CapAdd": ["NET_ADMIN"],
            "ReadonlyRootfs": True,
            "SecurityOpt": ["no-new-privileges"],
            "Memory": 64 * 2**20,
            "PidsLimit": 16,
            "RestartPolicy": {"Name": "no"},
        },
    }


def _words(error: EngineRefusal | StartFailure) -> str:
    return error.message if isinstance(error, EngineRefusal) else error.reason.partition("\n")[0]
