"""Starts the real process by its real command line, over a socket with a short path."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.waiting import PATIENCE
from tests.runtime.harness import Server, Start
from tests.runtime.peers import MLFLOW_PACKAGES, environment

RUNTIME = Path(__file__).parents[2] / "runtime"
# As good as none: a test that is about a limit names its own, and it is taken in place of these.
AMPLE = ("--timeout-ms", "3600000", "--queue-wait-ms", "3600000")


@pytest.fixture(scope="session")
def inference_python(pytestconfig: pytest.Config) -> Path:
    """The Python of an environment with Microsoft's inference server."""
    assert pytestconfig.cache is not None
    return environment(pytestconfig.cache.mkdir("inference-server"))


@pytest.fixture(scope="session")
def mlflow_python(pytestconfig: pytest.Config) -> Path:
    """The Python of an environment with MLflow."""
    assert pytestconfig.cache is not None
    return environment(pytestconfig.cache.mkdir("mlflow"), MLFLOW_PACKAGES)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(script_text, "serve"|"work", *options, env={}, files={})`."""
    yield from _starting(tmp_path)


@pytest.fixture(scope="module")
def start_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """`start` for servers that all tests of a module ask."""
    yield from _starting(tmp_path_factory.mktemp("shared"))


def _starting(tmp_path: Path) -> Iterator[Start]:
    servers: list[Server] = []
    # tmp_path is too long for a socket: 108 bytes are all there is.
    short = tempfile.mkdtemp(prefix="rt")

    def begin(
        script: str | None,
        command: str = "serve",
        *options: str,
        env: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        stdout: int | None = None,
        python: Path | None = None,
        app_root: Path | None = None,
        prefix: tuple[str, ...] = (),
    ) -> Server:
        number = len(servers)
        folder = tmp_path / f"app{number}"
        folder.mkdir()
        if script is not None:
            (folder / "score.py").write_text(textwrap.dedent(script))
        for name, text in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(textwrap.dedent(text))
        path = f"{short}/{number}"
        arguments = [str(python or sys.executable), "-I", str(RUNTIME), command, "--socket", path]
        if "--mlflow" not in options:
            arguments += ["--script", "score.py"]
        arguments += ["--app-root", str(app_root or folder)]
        if command == "serve":
            arguments += ["--deployment", "blue", *AMPLE]
        log_path = tmp_path / f"log{number}"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [*prefix, *arguments, *options],
                stdin=subprocess.PIPE,
                stdout=log if stdout is None else stdout,
                stderr=log,
                cwd=folder,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        server = Server(process, path, log_path, folder)
        servers.append(server)
        return server

    yield begin
    for server in servers:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(PATIENCE)
        assert server.process.stdin is not None
        server.process.stdin.close()
        for pipe in (server.process.stdout, server.process.stderr):
            if pipe is not None:
                pipe.close()
        for wire in server.wires:
            wire.socket.close()
    shutil.rmtree(short)
