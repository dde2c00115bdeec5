"""How the containers of apps do, where something runs them and where nothing does."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.servers.arm.records import AppRecord


@dataclass
class PartState:
    """A container of an app's replica."""

    name: str
    state: str = "Running"
    ready: bool = True
    details: str = ""
    restarts: int = 0

    def body(self, log: str) -> dict[str, Any]:
        return {
            "name": self.name,
            "containerId": f"containerd://{self.name}",
            "ready": self.ready,
            "started": self.ready,
            "restartCount": self.restarts,
            "runningState": self.state,
            "runningStateDetails": self.details,
            "logStreamEndpoint": f"{log}/{self.name}/logstream",
        }


class Runs(Protocol):
    """Blocking."""

    @abstractmethod
    def begin(self, app: AppRecord) -> None:
        """Have its replica come."""

    @abstractmethod
    def end(self, app: AppRecord) -> None:
        """And nothing of it left."""

    @abstractmethod
    def parts(self, app: AppRecord) -> list[PartState] | None:
        """None while there is no replica."""

    @abstractmethod
    def log(self, app: AppRecord, part: str, tail: int) -> str: ...

    @abstractmethod
    def address(self, app: AppRecord) -> tuple[str, int] | None:
        """Where its ingress leads to."""

    @abstractmethod
    def moved(self, app: AppRecord) -> None:
        """Nobody is there: it is looked for anew."""


@dataclass
class ScriptedRuns(Runs):
    """Nothing runs: every replica is as the test says, or well."""

    states: dict[str, list[PartState]] = field(default_factory=dict)
    """By the app's name."""
    always: list[PartState] | None = None
    logs: dict[str, str] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)

    def begin(self, app: AppRecord) -> None:
        self.there.add(app.name)

    def end(self, app: AppRecord) -> None:
        self.there.discard(app.name)

    def parts(self, app: AppRecord) -> list[PartState] | None:
        if app.name not in self.there:
            return None
        containers = app.properties["template"]["containers"]
        well = [PartState(each["name"]) for each in containers]
        return self.states.get(app.name, self.always or well)

    def log(self, app: AppRecord, part: str, tail: int) -> str:
        return "\n".join(self.logs.get(part, "").splitlines()[-tail:])

    def address(self, app: AppRecord) -> tuple[str, int] | None:
        return None

    def moved(self, app: AppRecord) -> None: ...
