"""Whatever way a host dies, no process of it lives on."""

import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from infra.compute.local.isolation.probing import means_here
from infra.compute.local.premises import RUNTIME
from tests.infra.compute.conftest import is_running
from tests.kit.stages.isolation import processes_of
from tests.kit.waiting import PATIENCE, eventually

REPOSITORY = Path(__file__).resolve().parents[5]
GUARDIAN = REPOSITORY / "infra" / "compute" / "local" / "processes" / "guardian.py"

WITH_CHILDREN = """
import os, subprocess
def init():
    subprocess.Popen(["sleep", "600"])
    subprocess.Popen(["sleep", "600"], start_new_session=LEAVES)
    print("begun", flush=True)
def run(d): pass
"""

DEAF = """
import ctypes, os, signal, subprocess
def init():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "600"])
    subprocess.Popen(["sleep", "600"], start_new_session=LEAVES)
    print("begun", flush=True)
    ctypes.PyDLL(None).sleep(600)
def run(d): pass
"""


def leaves() -> bool:
    """Whether what leaves its session ends with its script all the same, on this machine."""
    means = means_here("allow", RUNTIME)
    return means.namespaces != ""


def host(data: Path, script: str) -> tuple[subprocess.Popen[str], Path, set[int]]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.infra.compute.local.processes.host_to_be_killed",
            str(data),
            f"LEAVES = {leaves()}\n{script}",
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready, socket = process.stdout.readline().split()
    assert ready == "ready"
    return process, Path(socket), processes_of(data)


def test_the_guardian_kills_the_groups_that_are_still_named() -> None:
    guardian = subprocess.Popen([sys.executable, "-I", "-S", GUARDIAN], stdin=subprocess.PIPE)
    named, released = (subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(2))
    try:
        assert guardian.stdin is not None
        guardian.stdin.write(f"+{named.pid}\n+{released.pid}\n-{released.pid}\n".encode())
        guardian.stdin.close()
        assert guardian.wait(PATIENCE) == 0
        assert named.wait(PATIENCE) == -signal.SIGKILL
        assert is_running(released.pid)
    finally:
        for each in (named, released, guardian):
            each.kill()
            each.wait(PATIENCE)


@pytest.mark.parametrize("script", [WITH_CHILDREN, DEAF], ids=["serving", "holding the GIL"])
async def test_a_killed_host_leaves_no_process(tmp_path: Path, script: str) -> None:
    process, _, pids = host(tmp_path, textwrap.dedent(script))
    assert len(pids) >= 3
    assert all(map(is_running, pids))
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    assert process.stdout is not None
    process.stdout.close()
    await eventually(lambda: not any(map(is_running, pids)))


async def test_the_next_host_sweeps_what_the_killed_one_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever host starts beside this test would sweep the folder that they share.
    sockets = Path(tempfile.mkdtemp())
    monkeypatch.setenv("TMPDIR", str(sockets))
    data = tmp_path
    process, socket, pids = host(data, WITH_CHILDREN)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    assert process.stdout is not None
    process.stdout.close()
    await eventually(lambda: not any(map(is_running, pids)))
    assert socket.is_dir()
    half = data / "compute" / "environments" / "half-made"
    half.mkdir()
    second, other, _ = host(data, WITH_CHILDREN)
    try:
        assert not socket.exists()
        assert not half.exists()
        assert list((data / "compute" / "processes").iterdir())
        assert other.is_dir()
    finally:
        second.kill()
        second.wait(PATIENCE)
        assert second.stdout is not None
        second.stdout.close()
    shutil.rmtree(sockets)
