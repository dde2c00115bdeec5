"""The host as a container image: built of what `make image` gathers, with no network, and run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from infra.compute.kubernetes.api.cluster_access import SERVICE_ACCOUNT
from infra.embedded.access.tls import ensure_certificates
from outside.running_host import ROOT
from scripts.image_context import write_context
from tests.kit.clusters.kustomize_base import of
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
    place = {"python": VERSION, "machine": os.uname().machine}
    write_context(built, folder / "context", extras=("host", "azure"), **place)
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


@pytest.fixture
def pod(docker: Docker, image: str, tmp_path: Path) -> Iterator[str]:
    """As deploy/kubernetes has it, in a pod whose API server is not there."""
    spec, told = of("Deployment")["spec"]["template"]["spec"], of("ConfigMap")["data"]
    [host] = spec["containers"]
    account = tmp_path / "account"
    account.mkdir()
    shutil.copy(ensure_certificates(tmp_path / "tls").ca, account / "ca.crt")
    (account / "token").write_text("shown to nobody")
    (account / "namespace").write_text("ml-endpoints")
    account.chmod(0o755)
    for each in account.iterdir():
        each.chmod(0o644)
    variables = {
        **told,
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "ML_ENDPOINTS_IMAGE_REGISTRY": "https://registry.example/team",
    }
    words = [word for item in variables.items() for word in ("--env", "=".join(item))]
    kinds = {each["name"]: each for each in spec["volumes"]}
    for each in host["volumeMounts"]:
        is_scratch = "emptyDir" in kinds[each["name"]]
        words += ["--tmpfs" if is_scratch else "--volume", each["mountPath"]]
    who = spec["securityContext"]
    words += ["--user", f"{who['runAsUser']}:{who['runAsGroup']}"]
    words += ["--volume", f"{account}:{SERVICE_ACCOUNT}:ro"]
    held = ("--network", "none", "--read-only", "--cap-drop", "ALL")
    name = docker("run", "--detach", *held, *words, image, *host["args"]).strip()
    yield name
    docker("rm", "--force", "--volumes", name)


def test_it_runs_as_the_base_for_kubernetes_has_it(docker: Docker, pod: str) -> None:
    until(lambda: "ready https" in docker("logs", pod), "a host that is ready", every=1)
    assert "secret" in docker("exec", pod, "mle", "client", "set", "-n", "me", "--role", "owner")
    docker("exec", pod, "/opt/ml-endpoints/bin/python", "-c", "import azure.cosmos")
    docker("stop", "--time", "300", pod)
    state = json.loads(docker("inspect", "--format", "{{json .State}}", pod))
    assert state["ExitCode"] == 0
