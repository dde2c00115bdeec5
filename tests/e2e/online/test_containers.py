"""Online deployments in containers of a real engine, through the door."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from infra.compute.docker.labels import GROUP, INSTALLATION, KEY
from outside import serving
from outside.running_host import RunningHost
from tests.e2e.callers import Callers
from tests.fleets.docker import DockerContainers, installation_of
from tests.kit.waiting import until
from tests.servers.engine.dockerd import BASE, VERSION, EngineApi
from tests.servers.engine.given import given_engine

LIMITS = {"maxConcurrentRequestsPerInstance": 8}
SOON_LOST = {**LIMITS, "requestTimeout": "PT10S"}
"""An instance that is silent is lost after as long as a request may take, and some more."""
SCRIPT = """
import json
import os


def init():
    print("the model is loaded")


def run(data):
    asked = json.loads(data)
    if isinstance(asked, dict) and "pieces" in asked:
        return (f"piece {number} " for number in range(asked["pieces"]))
    return {"version": VERSION, "home": sorted(os.listdir("/")), "user": os.getuid()}
"""


@pytest.fixture(scope="module")
def docker() -> DockerContainers:
    return DockerContainers(given_engine())


@pytest.fixture(scope="module")
def engine(docker: DockerContainers) -> EngineApi:
    return docker.engine


@pytest.fixture(scope="module")
def host(
    docker: DockerContainers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHost]:
    settings = {"ML_ENDPOINTS_SCALE_IDLE_TIME": "1"}
    folder = tmp_path_factory.mktemp("host") / "data"
    with docker.hosting(folder, environment=settings) as host:
        serving.environment(host)
        serving.endpoint(host, "boxed")
        yield host
        host.workspace.mutate("DELETE", "onlineEndpoints/boxed")
        faults = host.faults()
    assert not faults, f"the host logged errors: {faults}"


def code(host: RunningHost, version: int) -> str:
    script = SCRIPT.replace("VERSION", str(version))
    return serving.codes(host, f"boxed{version}", {"score.py": script})


def deploy(host: RunningHost, name: str, version: int, count: int = 1, **more: Any) -> None:
    options = {"requestSettings": LIMITS, **more}
    serving.deploy(host, f"boxed/{name}", code(host, version), count=count, **options)


def until_in_log(host: RunningHost, name: str, said: str, **asked: Any) -> None:
    """What is printed is read a moment later."""
    path = f"onlineEndpoints/boxed/deployments/{name}/getLogs"
    until(lambda: said in host.workspace.call("POST", path, asked).json()["content"], said)


def containers(
    host: RunningHost, engine: EngineApi, name: str, *, running: bool = True
) -> list[Any]:
    mine = f"{INSTALLATION}={installation_of(host)}"
    found = engine.containers(mine, f"{KEY}=online/boxed/{name}")
    return [each for each in found if each["State"] == "running" or not running]


def test_a_container_serves_and_is_held_to_what_it_may(
    host: RunningHost, engine: EngineApi
) -> None:
    deploy(host, "blue", 1, instanceType="Standard_DS1_v2")
    headers = {"azureml-model-deployment": "blue"}
    with serving.caller(host, "boxed") as client:
        answer = client.post("", json=1, headers=headers).json()
        assert answer["version"] == 1
        assert answer["user"] == 10001
        streamed = client.post("", json={"pieces": 3}, headers=headers)
        assert streamed.text == "piece 0 piece 1 piece 2 "
        missing = client.post("", json=1, headers={"azureml-model-deployment": "none"})
        assert missing.status_code == 404
    [container] = containers(host, engine, "blue")
    told = engine.get(f"containers/{container['Id']}/json")
    config = told["HostConfig"]
    assert config["ReadonlyRootfs"]
    assert config["CapDrop"] == ["ALL"]
    assert config["NanoCpus"] == 1_000_000_000
    assert config["Memory"] == config["MemorySwap"] == int(3.5 * 2**30)
    assert "no-new-privileges" in config["SecurityOpt"]
    until_in_log(host, "blue", "the model is loaded")
    until_in_log(host, "blue", "Building the environment", containerType="StorageInitializer")


def has_one(host: RunningHost, engine: EngineApi, name: str) -> bool:
    return len(containers(host, engine, name)) == 1


def test_one_that_may_not_go_out_is_in_a_network_without_a_way_out_and_answers(
    host: RunningHost, engine: EngineApi
) -> None:
    deploy(host, "blue", 1)
    deploy(host, "shut", 1, egressPublicNetworkAccess="Disabled")
    with serving.caller(host, "boxed") as client:
        for name in ("blue", "shut"):
            headers = {"azureml-model-deployment": name}
            assert client.post("", json=1, headers=headers).json()["version"] == 1
    found = {}
    for name in ("blue", "shut"):
        # One that a test before has had may be on its way out.
        until(partial(has_one, host, engine, name), f"one container of {name}")
        [container] = containers(host, engine, name)
        [network] = container["NetworkSettings"]["Networks"].values()
        found[name] = engine.get(f"networks/{network['NetworkID']}")["Internal"]
    assert found == {"blue": False, "shut": True}
    host.workspace.mutate("DELETE", "onlineEndpoints/boxed/deployments/shut")


def test_a_new_revision_is_rolled_out_beside_the_old_one_and_counts_follow(
    host: RunningHost, engine: EngineApi
) -> None:
    deploy(host, "green", 1)
    with Callers(host, "boxed", "green", 3) as callers:
        callers.go_on(5)
        deploy(host, "green", 2, count=2)
        until(lambda: callers.answers[-1]["version"] == 2)
        until(lambda: len(containers(host, engine, "green", running=False)) == 2)
        deploy(host, "green", 2, count=1)
        until(lambda: len(containers(host, engine, "green", running=False)) == 1)
        callers.go_on(5)
    assert callers.faults == []


@pytest.mark.parametrize("cruelty", ["kill", "pause", "disconnect"])
def test_an_instance_that_is_lost_leaves_the_route_and_is_replaced(
    host: RunningHost, engine: EngineApi, cruelty: str
) -> None:
    """Only requests that are in flight there fail."""
    deploy(host, "red", 1, count=2, requestSettings=SOON_LOST)
    with Callers(host, "boxed", "red", 4) as callers:
        callers.go_on(20)
        victim = containers(host, engine, "red")[0]
        if cruelty == "disconnect":
            [network] = victim["NetworkSettings"]["Networks"].values()
            body = {"Container": victim["Id"], "Force": True}
            engine.do("POST", f"networks/{network['NetworkID']}/disconnect", body)
        else:
            way = f"containers/{victim['Id']}/{cruelty}"
            # A kernel that is busy cannot always freeze it.
            until(lambda: engine.ask("POST", way)[0] < 400, cruelty)

        def replaced() -> bool:
            there = [each["Id"] for each in containers(host, engine, "red")]
            return len(there) == 2 and victim["Id"] not in there

        until(replaced, "another in its place")
        callers.go_on(50)
    assert len(callers.faults) <= 4, callers.faults


def test_a_host_that_dies_takes_no_instance_with_it(host: RunningHost, engine: EngineApi) -> None:
    deploy(host, "grey", 1)
    before = [each["Id"] for each in containers(host, engine, "grey")]
    host.kill()
    assert [each["Id"] for each in containers(host, engine, "grey")] == before
    host.start()
    with Callers(host, "boxed", "grey", 1) as callers:
        callers.go_on(5)
    assert [each["Id"] for each in containers(host, engine, "grey")] == before


def test_a_host_that_follows_another_finds_the_same_containers(
    host: RunningHost, engine: EngineApi
) -> None:
    before = [each["Id"] for each in containers(host, engine, "grey")]
    with Callers(host, "boxed", "grey", 2) as callers:
        callers.go_on(5)
        gone = host.upgrade()
        callers.go_on(5)
        gone.wait()
        callers.go_on(5)
    assert callers.faults == []
    assert [each["Id"] for each in containers(host, engine, "grey")] == before


def test_it_sleeps_without_a_container_and_wakes_for_who_asks(
    host: RunningHost, engine: EngineApi
) -> None:
    scale = {"scaleType": "TargetUtilization", "minInstances": 0, "maxInstances": 2}
    deploy(host, "sleepy", 1, scaleSettings={**scale, "pollingInterval": "PT1S"})
    until(lambda: not containers(host, engine, "sleepy", running=False), "no container")
    headers = {"azureml-model-deployment": "sleepy"}
    with serving.caller(host, "boxed") as client:
        assert client.post("", json=1, headers=headers).json()["version"] == 1


def test_what_is_deleted_leaves_nothing(host: RunningHost, engine: EngineApi) -> None:
    deploy(host, "gone", 7, count=2)
    [group] = {each["Labels"][GROUP] for each in containers(host, engine, "gone")}
    [image] = {each["Image"] for each in containers(host, engine, "gone")}
    host.workspace.mutate("DELETE", "onlineEndpoints/boxed/deployments/gone")
    # What a busy engine does not remove at once it is asked for again.
    until(lambda: engine.containers(f"{GROUP}={group}") == [], "no container")
    until(lambda: engine.ask("GET", f"images/{image}/json")[0] == 404)


def test_an_image_that_is_not_there_is_named(host: RunningHost) -> None:
    serving.environment(host, "old", "name: old\ndependencies:\n  - python=3.10\n")
    workspace = host.workspace.connection["workspace"]
    with pytest.raises(RuntimeError, match=r"ml-endpoints-test-base:3\.10"):
        deploy(host, "old", 1, environmentId=f"{workspace}/environments/old/versions/1")


def test_a_deployment_runs_in_what_its_user_s_dockerfile_makes(host: RunningHost) -> None:
    workspace, base = host.workspace, BASE.format(python=VERSION)
    dockerfile = f'FROM {base}\nENV MADE_BY=dockerfile\nENTRYPOINT ["/never"]\n'
    serving.codes(host, "context", {"Dockerfile": dockerfile})
    uri = workspace.get("codes/context/versions/1")["properties"]["codeUri"]
    path = "environments/made/versions/1"
    workspace.call("PUT", path, {"properties": {"build": {"contextUri": uri}}})
    script = "import os\ndef init(): pass\ndef run(data): return os.environ['MADE_BY']\n"
    runs = serving.codes(host, "made", {"score.py": script})
    named = f"{workspace.connection['workspace']}/{path}"
    serving.deploy(host, "boxed/made", runs, environmentId=named)
    with serving.caller(host, "boxed") as client:
        answer = client.post("", json=1, headers={"azureml-model-deployment": "made"})
    assert answer.json() == "dockerfile"
    built = workspace.get(f"{path}/build")["properties"]
    assert f"FROM {base}" in built["log"]
    about = {"containerType": "StorageInitializer", "tail": 1000}
    until_in_log(host, "made", f"FROM {base}", **about)
    workspace.mutate("DELETE", "onlineEndpoints/boxed/deployments/made")


def test_an_image_is_named_by_what_it_is_at_registration(host: RunningHost) -> None:
    base, path = BASE.format(python=VERSION), "environments/boughtin/versions/1"
    host.workspace.call("PUT", path, {"properties": {"image": base}})
    named = f"{host.workspace.connection['workspace']}/{path}"
    deploy(host, "boughtin", 5, environmentId=named)
    with serving.caller(host, "boxed") as client:
        answer = client.post("", json=1, headers={"azureml-model-deployment": "boughtin"})
    assert answer.json()["version"] == 5
    host.workspace.mutate("DELETE", "onlineEndpoints/boxed/deployments/boughtin")
