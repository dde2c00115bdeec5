"""Two hosts at once on one set of stores and one Docker Engine: instances are the
installation's, and so is what is decided of them."""

import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx
import pytest

from infra.compute.docker.labels import INSTALLATION, KEY
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.docker import DockerContainers
from tests.kit.waiting import PATIENCE, until
from tests.servers.engine.given import given_engine

LIMITS = {"maxConcurrentRequestsPerInstance": 4}


@dataclass(frozen=True)
class Shared:
    """`one` issues the tokens that both take; `endpoint` is another in each run, so that its
    containers are found among others'."""

    one: RunningHost
    other: RunningHost
    docker: DockerContainers
    endpoint: str
    key: str

    @property
    def both(self) -> tuple[RunningHost, RunningHost]:
        return self.one, self.other

    def containers(self, deployment: str) -> set[str]:
        found = self.docker.engine.containers(f"{KEY}=online/{self.endpoint}/{deployment}")
        return {each["Id"] for each in found if each["State"] == "running"}

    def story(self, *actions: str) -> list[tuple[str, int, int]]:
        """What either host told of counts, with the count before and after."""
        lines = [line for host in self.both for line in host.story(endpoint=self.endpoint)]
        lines.sort(key=lambda line: line["time"])
        told = [line for line in lines if line["action"] in actions]
        return [(line["action"], line["before"], line["after"]) for line in told]

    def caller(self, host: RunningHost, deployment: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"{host.url}/endpoints/{self.endpoint}/score",
            headers={
                "authorization": f"Bearer {self.key}",
                "azureml-model-deployment": deployment,
            },
            timeout=PATIENCE,
        )


@pytest.fixture(scope="module")
def shared(
    installation: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shared]:
    docker = DockerContainers(given_engine())
    folder = tmp_path_factory.mktemp("hosts")
    arguments = ("--http", "--port", "0")
    settings = {**installation, "ML_ENDPOINTS_SCALE_IDLE_TIME": "1"}
    with docker.host(folder / "one", *arguments, environment=settings) as one:
        trusting = {**settings, "ML_ENDPOINTS_TOKEN_ISSUER": one.url}
        with docker.host(folder / "other", *arguments, environment=trusting) as other:
            for name in ("token_url", "client_id", "client_secret"):
                other.workspace.connection[name] = one.workspace.connection[name]
            endpoint = f"shared-{secrets.token_hex(4)}"
            serving.environment(one)
            serving.endpoint(one, endpoint)
            yield Shared(one, other, docker, endpoint, serving.key(one, endpoint))
            faults = [*one.faults(), *other.faults()]
    left = docker.engine.containers(f"{KEY}=online/{endpoint}/blue")
    docker.clear_installation(left[0]["Labels"][INSTALLATION])
    assert not faults, f"the hosts logged errors: {faults}"


def deploy(shared: Shared, name: str, **options: Any) -> None:
    code = serving.codes(shared.one, "echo", {"score.py": serving.ECHO})
    path = f"{shared.endpoint}/{name}"
    serving.deploy(shared.one, path, code, requestSettings=LIMITS, **options)


def answers(shared: Shared, host: RunningHost, deployment: str) -> bool:
    with shared.caller(host, deployment) as client:
        answer = client.post("", json={"from": host.url})
        return answer.status_code == 200 and answer.json() == {"from": host.url}


def test_scale_is_decided_once_from_what_comes_by_all_gateways(shared: Shared) -> None:
    scale = {
        "scaleType": "TargetUtilization",
        "minInstances": 0,
        "maxInstances": 3,
        "targetUtilizationPercentage": 50,
        "pollingInterval": "PT1S",
    }
    deploy(shared, "green", scaleSettings=scale)
    with ExitStack() as stack:
        callers = [stack.enter_context(shared.caller(host, "green")) for host in shared.both]
        pool = stack.enter_context(ThreadPoolExecutor(8))

        def ask(client: httpx.Client, hold: serving.Hold) -> list[Future[httpx.Response]]:
            before = hold.in_hand()
            asked = [pool.submit(client.post, "", json=hold.asked) for _ in range(2)]
            until(lambda: hold.in_hand() == before + 2, "requests in hand")
            return asked

        def is_scaled() -> bool:
            """Not where those who came met an instance that was falling asleep: then another is
            woken beside it."""
            hold = serving.Hold(shared.one)
            # Two of four at once are the target; of what each gateway sees there is enough.
            held = [each for client in callers for each in ask(client, hold)]
            until(lambda: len(shared.containers("green")) >= 2, "a second instance")
            hold.open()
            assert [each.result().status_code for each in held] == [200] * 4
            until(lambda: not shared.containers("green"), "asleep")
            return bool(shared.story("deployment_scaled"))

        until(is_scaled, "a decision for more")
        woken = [pool.submit(client.post, "", json=[1]) for client in callers]
        assert [each.result().status_code for each in woken] == [200] * 2
    assert shared.story("deployment_scaled") == [("deployment_scaled", 1, 2)]
    # It may have slept before the first came, and again since; whatever became of it was said by
    # one host.
    told = shared.story("deployment_slept", "deployment_woken")
    turns = [action for action, *_ in told]
    assert turns.count("deployment_woken") >= 1
    assert all(one != next for one, next in pairwise(turns)), told


def test_counts_are_the_installations_and_a_host_that_dies_takes_no_instance_with_it(
    shared: Shared,
) -> None:
    deploy(shared, "blue", count=2)
    assert len(shared.containers("blue")) == 2
    for host in shared.both:
        assert answers(shared, host, "blue")
    path = f"onlineEndpoints/{shared.endpoint}/deployments/blue"
    shared.other.workspace.mutate("PATCH", path, {"sku": {"name": "Default", "capacity": 3}})
    three = shared.containers("blue")
    assert len(three) == 3

    # Which decided until then: it was there first.
    shared.one.kill()
    assert shared.containers("blue") == three
    assert answers(shared, shared.other, "blue")
    lost = min(three)
    shared.docker.engine.do("POST", f"containers/{lost}/kill")

    def replaced() -> bool:
        there = shared.containers("blue")
        return len(there) == 3 and lost not in there

    until(replaced, "another in the place of the one that was killed")
    assert len(shared.containers("blue") & three) == 2
    until(lambda: answers(shared, shared.other, "blue"))
