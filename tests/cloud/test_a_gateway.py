"""A host that serves scoring requests alone, beside one that has the control plane: on one set of
stores and one Docker Engine, with an address of its own in scoring URIs."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from infra.compute.docker.labels import INSTALLATION, KEY
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.docker import DockerContainers
from tests.kit.waiting import PATIENCE, until
from tests.servers.engine.given import given_engine


@dataclass(frozen=True)
class Installation:
    gateway: RunningHost
    control: RunningHost
    docker: DockerContainers
    endpoint: str

    def containers(self) -> set[str]:
        found = self.docker.engine.containers(f"{KEY}=online/{self.endpoint}/blue")
        return {each["Id"] for each in found if each["State"] == "running"}

    def score(self, uri: str, key: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(uri, json=[secrets.token_hex(4)], headers=headers, timeout=PATIENCE)


@pytest.fixture(scope="module")
def both(
    installation: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    docker = DockerContainers(given_engine())
    folder, arguments = tmp_path_factory.mktemp("hosts"), ("--http", "--port", "0")
    alone = {**installation, "ML_ENDPOINTS_SERVES": "scoring"}
    with docker.host(folder / "gateway", *arguments, environment=alone) as gateway:
        told: dict[str, str] = {**installation, "ML_ENDPOINTS_SCORING_URL": gateway.url}
        with docker.host(folder / "control", *arguments, environment=told) as control:
            endpoint = f"elsewhere-{secrets.token_hex(4)}"
            serving.environment(control)
            serving.endpoint(control, endpoint)
            code = serving.codes(control, "echo", {"score.py": serving.ECHO})
            serving.deploy(control, f"{endpoint}/blue", code)
            serving.traffic(control, endpoint, blue=100)
            yield Installation(gateway, control, docker, endpoint)
            faults = [*gateway.faults(), *control.faults()]
    left = docker.engine.containers(f"{KEY}=online/{endpoint}/blue")
    docker.clear_installation(left[0]["Labels"][INSTALLATION])
    assert not faults, f"the hosts logged errors: {faults}"


def test_the_scoring_uri_leads_to_the_gateway_which_does_nothing_else(both: Installation) -> None:
    shown: dict[str, Any] = both.control.workspace.get(f"onlineEndpoints/{both.endpoint}")
    uri = shown["properties"]["scoringUri"]
    assert uri == f"{both.gateway.url}/endpoints/{both.endpoint}/score"
    key = serving.key(both.control, both.endpoint)
    assert both.score(uri, key).status_code == 200

    both.control.workspace.mutate(
        "POST", f"onlineEndpoints/{both.endpoint}/regenerateKeys", {"keyType": "Primary"}
    )
    until(lambda: both.score(uri, key).status_code == 401, "a revoked key is refused there")
    key = serving.key(both.control, both.endpoint)
    assert both.score(uri, key).status_code == 200

    path = f"{both.control.connection['workspace']}/onlineEndpoints"
    asked = httpx.get(f"{both.gateway.url}{path}", headers=both.control.bearer(), timeout=PATIENCE)
    assert asked.status_code == 404
    ready = httpx.get(f"{both.gateway.url}/readyz", timeout=PATIENCE)
    assert ready.status_code == 200


def test_it_needs_no_control_plane_to_score_nor_to_replace_an_instance(both: Installation) -> None:
    shown: dict[str, Any] = both.control.workspace.get(f"onlineEndpoints/{both.endpoint}")
    uri, key = shown["properties"]["scoringUri"], serving.key(both.control, both.endpoint)
    [lost] = both.containers()
    both.control.kill()
    assert both.score(uri, key).status_code == 200
    both.docker.engine.do("POST", f"containers/{lost}/kill")

    def replaced() -> bool:
        return len(both.containers()) == 1 and lost not in both.containers()

    until(replaced, "another in the place of the one that was killed")
    until(lambda: both.score(uri, key).status_code == 200, "it answers again")
