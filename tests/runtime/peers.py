"""Microsoft's inference server and ours, each serving one script in one and the same virtual
environment, and one client for both that leaves nothing out of what they say."""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Protocol

from tests.kit.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "azureml-inference-server-http==1.5.1",
    "inference-schema[numpy-support,pandas-support]==1.8",
    "setuptools<81",
)
MLFLOW_PACKAGES = (
    "mlflow-skinny>=3,<4",
    "scikit-learn>=1.6,<2",
    "pandas>=2.2,<4",
    "numpy<3",
    "pillow>=11,<13",
    "azureml-ai-monitoring==1.0.0",
)
FLAVOR_PACKAGES = (
    "mlflow-skinny>=3,<4",
    "scikit-learn>=1.6,<2",
    "pandas>=2.2,<4",
    "numpy<3",
    "xgboost-cpu>=3,<4",
    "lightgbm>=4,<5",
    "onnx>=1.17,<2",
    "onnxruntime>=1.20,<2",
)
# Hands a socket on as service managers do, which Microsoft's server takes in place of a port:
# a port that is free now may be another's by the time that it is bound.
_WITH_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Ask:
    """One request. `raw` stands in for everything else, byte for byte."""

    method: str = "POST"
    target: str = "/score"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = b""

    def wire(self) -> bytes:
        if self.raw:
            return self.raw
        lines = {"Host": "localhost", "Connection": "close", **self.headers}
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines["Content-Length"] = str(len(self.body))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{self.method} {self.target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + self.body


@dataclass(frozen=True)
class Told:
    """One reply: headers in lower case, in the order they came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for known, value in self.headers if known == name]
        return " | ".join(values) if values else None


@dataclass
class Peer:
    process: subprocess.Popen[bytes]
    address: tuple[str, int] | str
    log: Path

    def ask(self, request: Ask) -> Told:
        with self._connect() as connection:
            connection.settimeout(PATIENCE)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request.wire())
            response = HTTPResponse(connection, method=request.method)
            try:
                response.begin()
                headers = tuple((n.lower(), v) for n, v in response.getheaders())
                return Told(response.status, headers, response.read())
            finally:
                response.close()

    def ready(self) -> "Peer":
        """Wait until it is healthy, or has ended."""

        def settled() -> bool:
            if self.process.poll() is not None:
                return True
            with contextlib.suppress(OSError, HTTPException):
                return self.ask(Ask("GET", "/")).status == 200
            return False

        until(settled, f"health; see {self.log}")
        return self

    def _connect(self) -> socket.socket:
        if isinstance(self.address, tuple):
            return socket.create_connection(self.address, timeout=PATIENCE)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self.address)
        except OSError:
            connection.close()
            raise
        return connection


def environment(cache: Path, packages: Sequence[str] = PACKAGES) -> Path:
    """The Python of a virtual environment with `packages`, built once and kept under `cache`."""
    key = hashlib.sha256(json.dumps([packages, platform.python_version()]).encode())
    folder = cache / key.hexdigest()[:16]
    python = folder / "bin" / "python"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes share the folder
        if not (folder / "complete").exists():
            uv = Path(sys.executable).parent / "uv"
            commands: list[list[str | Path]] = [
                [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder],
                [uv, "pip", "install", "--quiet", "--python", python, *packages],
            ]
            for command in commands:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
            (folder / "complete").touch()
    return python


class Script(Protocol):
    """What is to be served. `files` are put beside the script."""

    @property
    def source(self) -> str: ...
    @property
    def files(self) -> Mapping[str, str]: ...
    @property
    def variables(self) -> Mapping[str, str]: ...
    @property
    def timeout_ms(self) -> int: ...


@contextlib.contextmanager
def serving(python: Path, folder: Path, script: Script) -> Iterator[tuple[Peer, Peer]]:
    """(theirs, ours), both started on `script`, and healthy or ended."""
    app = folder / "app"
    app.mkdir()
    (app / "score.py").write_text(textwrap.dedent(script.source))
    for name, text in script.files.items():
        (app / name).write_text(text)
    base = {k: v for k, v in os.environ.items() if not k.startswith(("AZUREML", "AML_", "PYTEST"))}
    variables = base | {
        "AML_APP_ROOT": str(app),
        "AZUREML_MODEL_DIR": str(app),
        "SCORING_TIMEOUT_MS": str(script.timeout_ms),
        **script.variables,
    }
    theirs = [python.parent / "azmlinfsrv", "--entry_script", app / "score.py"]
    # `folder` is too long for a socket: 108 bytes are all there is.
    short = tempfile.mkdtemp(prefix="rt")
    path = f"{short}/ours"
    ours = [python, "-I", ROOT / "runtime", "serve", "--socket", path, "--script", "score.py"]
    ours += ["--app-root", app, "--deployment", "blue", "--timeout-ms", script.timeout_ms]
    peers: list[Peer] = []
    try:
        # Only they hold it from then on: a client is cut off when they end.
        with socket.create_server(("127.0.0.1", 0)) as bound:
            handing = [python, "-I", "-c", _WITH_SOCKET, bound.fileno(), *theirs]
            address = bound.getsockname()
            log = folder / "theirs.log"
            peers.append(_start(handing, variables, address, log, hand_on=[bound.fileno()]))
        peers.append(_start(ours, variables, path, folder / "ours.log"))
        yield peers[0].ready(), peers[1].ready()
    finally:
        for peer in peers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(peer.process.pid, signal.SIGKILL)
            peer.process.wait(PATIENCE)
            assert peer.process.stdin is not None
            peer.process.stdin.close()
        shutil.rmtree(short)


def _start(
    command: list[object],
    variables: Mapping[str, str],
    address: tuple[str, int] | str,
    log: Path,
    hand_on: Sequence[int] = (),
) -> Peer:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            cwd=log.parent / "app",
            env=dict(variables),
            start_new_session=True,
            pass_fds=hand_on,
        )
    return Peer(process, address, log)
