"""A node as an app: what Azure Resource Manager shows of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.compute.container_apps import app_names as names
from infra.compute.container_apps.app_names import Place, node_id

MAX_DEATHS: Final = 5
_INGRESS: Final = 443
_PULLING: Final = ("imagepull", "errimage", "invalidimagename", "pull image", "pulling image")
_NO_MEMORY: Final = ("oomkilled", "out of memory")


@dataclass(frozen=True)
class App:
    """One that is listed. `state` is `InProgress`, `Succeeded`, `Failed`, `Canceled` or
    `Deleting`."""

    name: str
    state: str
    tags: Mapping[str, str]
    fqdn: str | None
    revision: str | None
    memory: str

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "App":
        told = body.get("properties") or {}
        ingress = (told.get("configuration") or {}).get("ingress") or {}
        containers = (told.get("template") or {}).get("containers") or [{}]
        resources = containers[-1].get("resources") or {}
        return cls(
            str(body["name"]),
            str(told.get("provisioningState") or "InProgress"),
            body.get("tags") or {},
            ingress.get("fqdn"),
            told.get("latestRevisionName"),
            str(resources.get("memory") or ""),
        )

    def is_of(self, installation: str) -> bool:
        """Of an installation, and whole: tags that somebody has changed tell nothing."""
        numbers = (names.NUMBER, names.LIFE, names.LIVES, names.ATTEMPT)
        is_ours = self.tags.get(names.INSTALLATION) == installation and names.GROUP in self.tags
        return is_ours and all(
            re.fullmatch(r"[0-9]{1,9}", str(self.tags.get(each, ""))) for each in numbers
        )

    @property
    def group(self) -> str:
        return self.tags[names.GROUP]

    @property
    def place(self) -> Place:
        tags = self.tags
        return Place(int(tags[names.NUMBER]), int(tags[names.LIFE]), int(tags[names.LIVES]))

    @property
    def attempt(self) -> int:
        return int(self.tags[names.ATTEMPT])

    @property
    def node_id(self) -> str:
        return node_id(self.group, self.place)

    def at(self, ingress: str) -> str | None:
        """Where it is reached, by the address of its environment's ingress."""
        return f"{self.fqdn}@{ingress}:{_INGRESS}" if self.fqdn else None


@dataclass(frozen=True)
class Part:
    """A container of the app's only replica. `details` are the platform's words for its state."""

    name: str
    state: str
    ready: bool
    details: str
    restarts: int
    log: str | None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Part":
        return cls(
            str(body.get("name") or ""),
            str(body.get("runningState") or ""),
            body.get("ready") is True,
            str(body.get("runningStateDetails") or ""),
            int(body.get("restartCount") or 0),
            body.get("logStreamEndpoint"),
        )

    @property
    def runs(self) -> bool:
        """It has answered a probe: one that dies again and again is seen running, too."""
        return self.state == "Running" and self.ready

    @property
    def cannot_be_pulled(self) -> bool:
        said = self.details.casefold()
        return not self.runs and any(each in said for each in _PULLING)

    @property
    def ran_out_of_memory(self) -> bool:
        said = self.details.casefold()
        return any(each in said for each in _NO_MEMORY)


@dataclass(frozen=True)
class Replica:
    """None of it is there before the platform has found a place for the app."""

    parts: Sequence[Part]
    details: str = ""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Replica":
        told = body.get("properties") or {}
        listed = [*(told.get("initContainers") or []), *(told.get("containers") or [])]
        main = {each.get("name") for each in told.get("containers") or []}
        parts = [Part.of(each) for each in listed]
        # What fills a volume has ended well before the others begin.
        needed = [p for p in parts if p.name in main or p.cannot_be_pulled or p.restarts]
        return cls(tuple(needed), str(told.get("runningStateDetails") or ""))

    @property
    def runs(self) -> bool:
        return bool(self.parts) and all(each.runs for each in self.parts)


@dataclass(frozen=True)
class Ending:
    """Why a node has ended, or cannot come; `final`: it is not tried again by itself."""

    code: str
    reason: str
    final: bool = False
