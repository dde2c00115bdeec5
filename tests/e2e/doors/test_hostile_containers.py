"""A scoring script in a container does not own the installation either: what one tries that is
out for it, on a real engine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.compute.docker.labels import INSTALLATION, KEY
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.docker import DockerContainers, installation_of
from tests.kit.waiting import until
from tests.servers.engine.given import given_engine

SCRIPT = (Path(__file__).parent / "hostile_script.py").read_text()
MOST = 4096
"""Processes and threads of one container."""


@pytest.fixture(scope="module")
def docker() -> DockerContainers:
    return DockerContainers(given_engine())


@pytest.fixture(scope="module")
def host(
    docker: DockerContainers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHost]:
    # All of it is held, or nothing would be started.
    settings = {"ML_ENDPOINTS_ISOLATION": "required"}
    folder = tmp_path_factory.mktemp("host") / "data"
    with docker.hosting(folder, environment=settings) as host:
        serving.environment(host)
        serving.endpoint(host, "neighbour")
        serving.endpoint(host, "hostile")
        code = serving.codes(host, "echo", {"score.py": serving.ECHO})
        serving.deploy(host, "neighbour/blue", code)
        code = serving.codes(host, "hostile", {"score.py": SCRIPT})
        serving.deploy(host, "hostile/blue", code, instanceType="Standard_DS1_v2")
        yield host


def container(docker: DockerContainers, host: RunningHost, deployment: str) -> Any:
    mine = f"{INSTALLATION}={installation_of(host)}"
    [found] = docker.engine.containers(mine, f"{KEY}=online/{deployment}")
    return found


def test_a_script_in_a_container_owns_nothing_but_its_own(
    docker: DockerContainers, host: RunningHost
) -> None:
    data = host.data_dir
    keys = [*(data / "secrets").iterdir(), *(data / "tls").glob("*.key"), data / "cipher.key"]
    [network] = container(docker, host, "neighbour/blue")["NetworkSettings"]["Networks"].values()
    port = int(host.url.rpartition(":")[2])
    workspace = host.workspace.connection["workspace"]
    asked = {
        "secrets": [
            *map(str, [key for key in keys if key.is_file()]),
            *map(str, [data / "connection.json", data / "documents.db"]),
            *(f"/proc/{host.pid}/{name}" for name in ("environ", "mem", "maps")),
            # The agent's: the secret of the door was in its first environment.
            *(f"/proc/1/{name}" for name in ("environ", "mem", "maps", "root/etc/hostname")),
            *("/dev/sda", "/dev/mem", "/sys/kernel/debug/tracing"),
        ],
        "places": [
            *("/", "/etc", "/usr", "/dev", "/proc/sys/kernel", "/sys/fs/cgroup"),
            *(f"/opt/ml-endpoints{each}" for each in ("", "/code", "/runtime", "/environment/bin")),
            str(data),
        ],
        "sockets": [docker.engine.url.removeprefix("unix://"), str(data / "successors.sock")],
        "host": host.pid,
        "metadata": True,
        "doors": [[network["IPAddress"], 5001], [network["Gateway"], port], ["127.0.0.1", port]],
        "kernel": True,
        "credential": host.bearer()["authorization"],
        "control": f"{host.url}{workspace}/onlineEndpoints?api-version=2024-10-01",
        "open": f"{host.url}/healthz",
        "threads": MOST + 100,
    }
    hostile = container(docker, host, "hostile/blue")
    shown = host.workspace.get("onlineEndpoints/hostile/deployments/blue")["properties"]
    lacking = [each["part"] for each in shown["isolation"] if not each["held"]]
    assert lacking == []
    headers = {"azureml-model-deployment": "blue"}
    with serving.caller(host, "hostile") as client:
        answer = client.post("", json=asked, headers=headers)
        assert answer.status_code == 200, logs(host)
        told = answer.json()
        assert [what for what, outcome in told["tried"].items() if outcome == "let"] == []
        assert told["tried"]["the control plane"] == told["tried"]["the scoring door"] == 0
        assert 100 < told["threads"] < MOST
        assert told["processes"] < 10
        assert told["own"] == "let"
        assert told["secrets"] == []
        # It has had all that it may have, and goes on.
        assert client.post("", json={**asked, "threads": 1}, headers=headers).status_code == 200
    with serving.caller(host, "neighbour") as client:
        assert client.post("", json=[1], headers=headers).json() == [1]
    assert processes_of(hostile["Id"])
    host.workspace.mutate("DELETE", "onlineEndpoints/hostile")
    until(lambda: not processes_of(hostile["Id"]), "the end of what left its session")


def logs(host: RunningHost) -> str:
    path = "onlineEndpoints/hostile/deployments/blue/getLogs"
    content: str = host.workspace.call("POST", path).json()["content"]
    return content


def processes_of(container: str) -> list[str]:
    """Those of a container, as the engine's machine shows them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if container in (entry / "cgroup").read_text():
                    found.append((entry / "comm").read_text().strip())
            except OSError:
                continue
    return found
