"""A node agent by its real command line, and a client at its door."""

import contextlib
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, Self

from runtime.node import logs
from tests.kit.waiting import PATIENCE, until
from tests.runtime.harness import Reply, Wire

SECRET = "a-secret-of-this-deployment-alone-0123456789"
PROOF = hmac.new(SECRET.encode(), b"ml-endpoints node", hashlib.sha256).hexdigest()
SHOWN = {"ml-endpoints-node-secret": SECRET}


@dataclass
class NodeProcess:
    """One running `node`. `group` is the process to signal: with a namespace of its own around
    it, the one that stands for it outside."""

    process: subprocess.Popen[bytes]
    log_path: Path
    folder: Path
    data: Path
    wires: list[Wire] = field(default_factory=list)
    _port: int = 0

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def port(self) -> int:
        if not self._port:
            told = until(lambda: re.search(r"listens on port (\d+)\.", self.log), "its port")
            self._port = int(told[1])
        return self._port

    def connect(self) -> Wire:
        wire = Wire(("127.0.0.1", self.port))
        self.wires.append(wire)
        return wire

    def ask(
        self,
        method: str = "POST",
        target: str = "/score",
        body: bytes | str = b"",
        headers: dict[str, str] | None = None,
        *,
        shown: bool = True,
    ) -> Reply:
        with self.connect() as wire:
            content = body.encode() if isinstance(body, str) else body
            wire.ask(method, target, content, {**(SHOWN if shown else {}), **(headers or {})})
            return wire.reply()

    def state(self) -> dict[str, Any]:
        return dict(self.ask("GET", "/node/state").json)

    def is_ready(self) -> bool:
        with contextlib.suppress(ConnectionError):
            return self.ask("GET", "/readyz", shown=False).status == 200
        return False

    def ready(self) -> Self:
        until(self.is_ready, "it is ready")
        return self

    def failed(self) -> dict[str, Any]:
        """Its state, once it has failed."""
        until(lambda: self.state()["phase"] == "failed", "it has failed")
        return self.state()

    def lines(self, kind: str) -> list[dict[str, str]]:
        return list(self.ask("GET", f"/node/logs?kind={kind}").json["lines"])

    def texts(self, kind: str = "InferenceServer") -> list[str]:
        return [line["text"] for line in self.lines(kind)]

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)

    def descendants(self) -> list[int]:
        """Every process below it."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if fields[0] != "Z":
                        parents[int(entry.name)] = int(fields[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found[1:]


class StartNode(Protocol):
    """`script` becomes the code; `spec` is laid over what is usual, part by part."""

    def __call__(
        self,
        script: str | None,
        *,
        env: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        **spec: Any,
    ) -> NodeProcess: ...


def spec_of(code: Path, given: dict[str, Any]) -> str:
    mode = given.get("mode", "serve")
    usual: dict[str, Any] = {
        "contract": 1,
        "mode": mode,
        "script": "score.py",
        "code": {"path": str(code)},
        "drain_seconds": 3600,
    }
    if mode == "serve":
        usual["serve"] = {"deployment": "blue", "timeout_ms": 3600000, "queue_wait_ms": 3600000}
    for name, value in given.items():
        known = usual.get(name)
        merged = isinstance(known, dict) and isinstance(value, dict) and "files" not in value
        usual[name] = {**known, **value} if merged and known else value
    return json.dumps(usual)


@cache
def nowhere() -> logs.Outlet:
    """For logs of this process. Its thread writes on, so it is never closed."""
    return logs.Outlet(os.open(os.devnull, os.O_WRONLY))
