"""What a host's log and getLogs tell, as one reads them who asks what became of a deployment."""

import json
from typing import Any
from urllib.parse import unquote

import pytest

from outside import serving
from outside.running_host import RunningHost
from tests.kit.waiting import until


@pytest.fixture(scope="module")
def echo(host: RunningHost) -> str:
    return serving.codes(host, "echo", {"score.py": serving.ECHO})


def story(host: RunningHost, endpoint: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in host.log().splitlines()]
    return [each for each in lines if each.get("endpoint") == endpoint and "action" in each]


def actions(host: RunningHost, endpoint: str) -> list[str]:
    return [line["action"] for line in story(host, endpoint)]


def begun(host: RunningHost, method: str, path: str, body: Any = None) -> str:
    """The id of the operation, which has succeeded."""
    answer = host.workspace.call(method, path, body)
    url = answer.headers["Azure-AsyncOperation"]
    serving.succeeded(host, url)
    return operation_id(url)


def operation_id(url: str) -> str:
    return unquote(url.partition("?")[0].rpartition("/")[2])


def test_the_hosts_log_tells_a_deployments_story_once_with_names_and_operation(
    host: RunningHost, echo: str
) -> None:
    blue = "onlineEndpoints/tale/deployments/blue"
    body = serving.deployment_body(host, echo)
    wanted = {"location": "local", "properties": {"authMode": "Key"}}
    created = begun(host, "PUT", "onlineEndpoints/tale", wanted)
    deployed = begun(host, "PUT", blue, body)
    moved = begun(host, "PATCH", "onlineEndpoints/tale", {"properties": {"traffic": {"blue": 100}}})
    with serving.caller(host, "tale") as client:
        assert client.post("", json={"exit": 7}).status_code == 502
        until(lambda: client.post("", json={}).status_code == 200)
    body["sku"]["capacity"] = 2
    scaled = begun(host, "PUT", blue, body)
    removed = begun(host, "DELETE", "onlineEndpoints/tale")
    until(lambda: actions(host, "tale").count("instance_stopped") == 2)

    told = story(host, "tale")
    life = [line["action"] for line in told if line.get("instance", "").endswith("-0")]
    assert life == [
        *("instance_started", "instance_ready", "instance_died"),
        *("instance_restarted", "instance_ready", "instance_stopped"),
    ]
    assert [(line["action"], line["operation"]) for line in told if "operation" in line] == [
        ("operation_begun", created),
        ("endpoint_created", created),
        ("operation_begun", deployed),
        ("deployment_ready", deployed),
        ("traffic_moved", moved),
        ("operation_begun", moved),
        ("endpoint_updated", moved),
        ("operation_begun", scaled),
        ("deployment_ready", scaled),
        ("operation_begun", removed),
        ("deployment_deleted", removed),
        ("endpoint_deleted", removed),
    ]
    by_action = {line["action"]: line for line in told}
    assert "exit status 7" in by_action["instance_died"]["reason"]
    count = by_action["deployment_scaled"]
    assert (count["deployment"], count["before"], count["after"]) == ("blue", 1, 2)
    assert by_action["traffic_moved"]["traffic"] == {"blue": 100}
    assert all(line["operation_id"] for line in told)
    assert all(line["deployment"] == "blue" for line in told if "instance" in line)


def test_the_hosts_log_says_with_which_code_and_operation_a_deployment_failed(
    host: RunningHost,
) -> None:
    serving.endpoint(host, "woe")
    code = serving.codes(host, "headless", {"score.py": "def init(): pass\n"})
    body = serving.deployment_body(host, code)
    put = host.workspace.call("PUT", "onlineEndpoints/woe/deployments/red", body)
    operation = put.headers["Azure-AsyncOperation"]
    until(lambda: host.workspace.call("GET", operation).json()["status"] == "Failed")
    until(lambda: "deployment_failed" in actions(host, "woe"))
    told = {line["action"]: line for line in story(host, "woe")}
    assert told["deployment_failed"]["code"] == "UserScriptFunctionNotFound"
    assert "does not define run()" in told["deployment_failed"]["error"]
    assert told["deployment_failed"]["operation"] == operation_id(operation)
    assert told["instance_given_up"]["reason"] == "score.py does not define run()"
