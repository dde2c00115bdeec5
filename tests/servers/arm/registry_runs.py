"""Builds of registries' own (ACR Tasks), as Azure Resource Manager has them begun and told of."""

import gzip
import json
import threading
import uuid
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from tests.servers.arm import run_schema
from tests.servers.arm.records import Refused
from tests.servers.engine.dockerd import EngineApi

_OVER: Final = ("Succeeded", "Failed", "Canceled")


class Builds(Protocol):
    @abstractmethod
    def build(
        self, context: bytes, dockerfile: str, name: str, say: Callable[[str], None]
    ) -> str | None:
        """An image in its registry; or why not. Blocking."""


class EngineBuilds(Builds):
    """By a real engine, which pushes what it has built and keeps nothing of it."""

    def __init__(self, engine: EngineApi) -> None:
        self._engine = engine

    def build(
        self, context: bytes, dockerfile: str, name: str, say: Callable[[str], None]
    ) -> str | None:
        local = f"tests-arm-runs:{uuid.uuid4().hex}"
        asked = {"t": local, "dockerfile": dockerfile, "rm": True, "forcerm": True}
        status, content = self._engine.ask("POST", "build", [gzip.decompress(context)], **asked)
        if status != 200:
            return content.decode(errors="replace")
        for line in content.decode(errors="replace").splitlines():
            told = json.loads(line) if line.strip() else {}
            say(str(told.get("stream") or told.get("status") or "").rstrip("\n"))
            if "error" in told:
                return str(told["error"])
        try:
            self._engine.push(local, name)
        finally:
            for image in (local, name):
                self._engine.ask("DELETE", f"images/{image}", force=True)
        return None


@dataclass
class Run:
    id: str
    names: list[str]
    dockerfile: str
    context: bytes
    status: str = "Running"
    error: str = ""
    log: bytearray = field(default_factory=bytearray)
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def shown(self) -> dict[str, Any]:
        name = self.id.rpartition("/")[2]
        told: dict[str, Any] = {
            "runId": name,
            "status": self.status,
            "runType": "QuickBuild",
            "createTime": self.begun.isoformat(),
            "platform": {"os": "linux", "architecture": "amd64"},
        }
        if self.error:
            told["runErrorMessage"] = self.error
        kind = "Microsoft.ContainerRegistry/registries/runs"
        return {"id": self.id, "name": name, "type": kind, "properties": told}


class RegistryRuns:
    """Of registries, each with its host, that have what they build carried out by `builds`."""

    def __init__(self, builds: Builds) -> None:
        self._builds = builds
        self._lock = threading.RLock()
        self.registries: dict[str, str] = {}
        self.uploads: dict[str, bytes] = {}
        self.runs: dict[str, Run] = {}
        self.is_allowed = True
        """Whether the subscription may have anything built."""
        self.may_go_on = threading.Event()
        """Set, unless a test would have what is begun stay so."""
        self.may_go_on.set()

    def registry(self, id: str) -> str:
        host = self.registries.get(id.casefold())
        if host is None:
            raise Refused(404, "ResourceNotFound", f"The Resource '{id}' was not found.")
        self._check_allowed(id)
        return host

    def _check_allowed(self, id: str) -> None:
        if not self.is_allowed:
            name = id.rpartition("/")[2]
            told = f"ACR Tasks requests for the registry {name} and the-subscription are not "
            more = "permitted. Please file an Azure support request for assistance."
            raise Refused(400, "TasksOperationsNotAllowed", told + more)

    def place(self) -> str:
        """Where a build's files are sent to."""
        return f"source/{uuid.uuid4().hex}.tar.gz"

    def begin(self, registry: str, body: Mapping[str, Any]) -> Run:
        self.registry(registry)
        if wrong := run_schema.faults(body):
            raise Refused(400, "InvalidRequestContent", "; ".join(wrong))
        if not 300 <= body.get("timeout", 3600) <= 28_800:
            raise Refused(400, "InvalidTimeout", "The timeout is out of its bounds.")
        context = self.uploads.pop(body["sourceLocation"], None)
        if context is None:
            raise Refused(400, "SourceNotFound", "There is nothing at the source's location.")
        with self._lock:
            id = f"{registry}/runs/cf{len(self.runs) + 1}"
            run = Run(id, list(body["imageNames"]), body["dockerFilePath"], context)
            self.runs[id.casefold()] = run
            return run

    def run(self, id: str) -> Run:
        found = self.runs.get(id.casefold())
        if found is None:
            raise Refused(404, "RunNotFound", "There is no such run.")
        return found

    def newest(self, registry: str) -> list[Run]:
        self.registry(registry)
        mine = [each for each in self.runs.values() if each.id.startswith(registry)]
        return sorted(mine, key=lambda each: each.begun, reverse=True)

    def cancel(self, id: str) -> None:
        with self._lock:
            run = self.run(id)
            if run.status not in _OVER:
                run.status = "Canceled"

    def work(self, run: Run) -> None:
        """Carry it out. Blocking."""
        host = self.registries[run.id.rpartition("/runs/")[0].casefold()]
        self.may_go_on.wait()
        if run.status in _OVER:
            return
        why = self._builds.build(
            run.context,
            run.dockerfile,
            f"{host}/{run.names[0]}",
            lambda line: run.log.extend(f"{line}\r\n".encode()),
        )
        with self._lock:
            if run.status not in _OVER:
                run.error = why or ""
                run.status = "Succeeded" if why is None else "Failed"
