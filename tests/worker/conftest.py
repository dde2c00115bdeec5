"""Microsoft's Functions worker in an environment of its own: what the app's requirements.txt
asks for, and the worker library."""

import fcntl
import fnmatch
import hashlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.kit.waiting import PATIENCE
from tests.worker.functions_host import FunctionsHost

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements.txt"
WORKER = ("test-worker==1.0.0a41", "grpcio>=1.60")
PYTHON = "3.11"
UNREACHABLE = ("dns error", "error sending request", "failed to fetch", "network was disabled")

Start = Callable[..., Awaitable[FunctionsHost]]


@pytest.fixture(scope="session")
def worker_python() -> Path:
    """Built once per requirements.txt. Skips, and in CI fails, where registries are out of
    reach; fails where the requirements do not install."""
    told = REQUIREMENTS.read_bytes() + repr((WORKER, PYTHON)).encode()
    folder = ROOT / ".venv" / "worker" / hashlib.sha256(told).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _build(folder)
    return folder / "bin" / "python"


def _build(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv, python = find_uv_bin(), str(folder / "bin" / "python")
    for command in (
        [uv, "venv", "--quiet", "--python", PYTHON, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", python, "-r", str(REQUIREMENTS), *WORKER],
    ):
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=20 * PATIENCE, check=False
        )
        if ran.returncode:
            out_of_reach = any(sign in ran.stderr.lower() for sign in UNREACHABLE)
            if out_of_reach and not os.environ.get("CI"):
                pytest.skip(f"the worker cannot be installed here: {ran.stderr[-300:]}")
            pytest.fail(f"the worker's environment does not build:\n{ran.stderr}")
    (folder / "complete").touch()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is deployed: the repository less what .funcignore names."""
    ignored = [
        line.rstrip("/")
        for line in (ROOT / ".funcignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]

    def leave(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(ROOT)
        return {
            name
            for name in names
            for pattern in ignored
            if fnmatch.fnmatch(name, pattern)
            or ("/" in pattern and (inside / name).as_posix() == pattern)
        }

    package = tmp_path_factory.mktemp("package") / "app"
    shutil.copytree(ROOT, package, ignore=leave)
    return package


@pytest.fixture
async def start(worker_python: Path, tmp_path: Path) -> AsyncIterator[Start]:
    """`await start(folder, **environment)`: the worker on the app in that folder."""
    hosts: list[FunctionsHost] = []

    async def start(folder: Path, **environment: str) -> FunctionsHost:
        host = await FunctionsHost.start(worker_python, folder, tmp_path, environment)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        await host.stop()
