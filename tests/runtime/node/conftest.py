"""Starts real agents on loopback."""

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
from typing import Any

import pytest

from tests.kit.waiting import PATIENCE
from tests.runtime.node.harness import SECRET, NodeProcess, StartNode, spec_of

RUNTIME = Path(__file__).parents[3] / "runtime"


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[StartNode]:
    yield from _starting(tmp_path)


@pytest.fixture(scope="module")
def start_shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartNode]:
    """`start_node` for nodes that all tests of a module ask."""
    yield from _starting(tmp_path_factory.mktemp("shared"))


def _starting(tmp_path: Path) -> Iterator[StartNode]:
    nodes: list[NodeProcess] = []
    # tmp_path is too long for the sockets below it.
    short = Path(tempfile.mkdtemp(prefix="nd"))

    def begin(
        script: str | None,
        *,
        env: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        **spec: Any,
    ) -> NodeProcess:
        number = len(nodes)
        code = tmp_path / f"code{number}"
        code.mkdir()
        if script is not None:
            (code / "score.py").write_text(textwrap.dedent(script))
        told = {
            "ML_ENDPOINTS_NODE_SECRET": SECRET,
            "ML_ENDPOINTS_NODE_SPEC": spec_of(code, spec),
            "ML_ENDPOINTS_NODE_HOST": "127.0.0.1",
            "ML_ENDPOINTS_NODE_PORT": "0",
            "ML_ENDPOINTS_NODE_ID": "blue-0",
            "ML_ENDPOINTS_NODE_DATA": str(short / str(number)),
            **(env or {}),
        }
        log_path = tmp_path / f"log{number}"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-I", str(RUNTIME), "node"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=code,
                env={**os.environ, **{name: each for name, each in told.items() if each}},
                start_new_session=True,
            )
        node = NodeProcess(process, log_path, code, Path(told["ML_ENDPOINTS_NODE_DATA"]))
        nodes.append(node)
        return node

    yield begin
    for node in nodes:
        left = node.descendants()
        for pid in [node.process.pid, *left]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.process.wait(PATIENCE)
        for wire in node.wires:
            wire.socket.close()
    shutil.rmtree(short)
