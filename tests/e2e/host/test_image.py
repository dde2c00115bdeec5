"""The host as a container image: built of what `make image` gathers, with no network, and run."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from outside.running_host import ROOT
from scripts.image_context import write_context
from tests.kit.waiting import until
from tests.servers.engine.dockerd import BASE, VERSION
from tests.servers.engine.given import given_engine

pytestmark = pytest.mark.only_processes("the host itself is what is in a container")


@dataclass(frozen=True)
class Docker:
    """Docker's own command, on the engine that the tests are given."""

    url: str

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            ["docker", *words],
            env={**os.environ, "DOCKER_HOST": self.url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def docker() -> Docker:
    return Docker(given_engine().url)


@pytest.fixture(scope="module")
def image(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("image")
    wheel = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(folder)]
    subprocess.run(wheel, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    write_context(built, folder / "context", python=VERSION, machine=os.uname().machine)
    name = f"ml-endpoints-test-host:{uuid4().hex[:12]}"
    base = f"BASE={BASE.format(python=VERSION)}"
    context = str(folder / "context")
    docker("build", "--quiet", "--network", "none", "--build-arg", base, "-t", name, context)
    yield name
    docker("image", "rm", "--force", name)


@pytest.fixture
def container(docker: Docker, image: str) -> Iterator[str]:
    """One that runs, with no network and nothing of it that could be written but its volume."""
    held = ("--network", "none", "--read-only", "--tmpfs", "/tmp:exec", "--cap-drop", "ALL")
    name = docker("run", "--detach", "--init", *held, image).strip()
    yield name
    docker("rm", "--force", "--volumes", name)


def test_the_image_runs_a_host_that_deploys_a_model_as_nobody_in_particular(
    docker: Docker, container: str
) -> None:
    def healthy() -> bool:
        state = json.loads(docker("inspect", "--format", "{{json .State}}", container))
        assert state["Status"] == "running", docker("logs", container)
        return bool(state["Health"]["Status"] == "healthy")

    until(healthy, "a healthy container", every=1)
    assert json.loads(docker("inspect", container))[0]["Config"]["User"] == "10001:10001"

    def mle(*words: str) -> str:
        return docker("exec", container, "mle", *words)

    mle("init", "script", "/var/lib/ml-endpoints/sums", "--name", "sums")
    mle("deploy", "/var/lib/ml-endpoints/sums")
    assert json.loads(mle("invoke", "sums", '{"data": [[1, 2, 3]]}')) == {"sums": [6]}

    docker("restart", "--time", "300", container)
    until(healthy, "a container that is healthy again", every=1)
    assert "sums" in mle("status")


def test_it_ends_well_when_it_is_told_to(docker: Docker, container: str) -> None:
    until(lambda: "ready https" in docker("logs", container), "a host that is ready", every=1)
    docker("stop", "--time", "300", container)
    state = json.loads(docker("inspect", "--format", "{{json .State}}", container))
    assert state["ExitCode"] == 0
