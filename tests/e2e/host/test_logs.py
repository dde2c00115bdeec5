"""What a host's log and getLogs tell, as one reads them who asks what became of a deployment."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import pytest

from outside import serving
from outside.running_host import RunningHost
from tests.kit.waiting import until


@pytest.fixture(scope="module")
def echo(host: RunningHost) -> str:
    return serving.codes(host, "echo", {"score.py": serving.ECHO})


def actions(host: RunningHost, endpoint: str) -> list[str]:
    return [line["action"] for line in host.story(endpoint=endpoint)]


def begun(host: RunningHost, method: str, path: str, body: Any = None) -> str:
    """The id of the operation, which has succeeded."""
    answer = host.workspace.call(method, path, body)
    url = answer.headers["Azure-AsyncOperation"]
    serving.succeeded(host, url)
    return operation_id(url)


def but_for_silence(actions: list[str]) -> list[str]:
    """On a machine that stands still an instance may not answer for a while, and be ready again;
    and one that has died may have been seen as not ready before."""
    told: list[str] = []
    is_silent = False
    for action in actions:
        was_silent, is_silent = is_silent, action == "instance_unready"
        if not (is_silent or (was_silent and action == "instance_ready")):
            told.append(action)
    return told


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
    until(lambda: "endpoint_deleted" in actions(host, "tale"))

    told = host.story(endpoint="tale")
    # In containers an id has the number of its life behind.
    first = [line for line in told if re.search(r"-0(\.1)?$", line.get("instance", ""))]
    life = [line["action"] for line in first]
    assert but_for_silence(life) == [
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
    told = {line["action"]: line for line in host.story(endpoint="woe")}
    assert told["deployment_failed"]["code"] == "UserScriptFunctionNotFound"
    assert "does not define run()" in told["deployment_failed"]["error"]
    assert told["deployment_failed"]["operation"] == operation_id(operation)
    assert told["instance_given_up"]["reason"] == "score.py does not define run()"


PRINTS = """
import asyncio, json, logging, os, subprocess

logging.basicConfig(level=logging.INFO, format="%(message)s")
print("imported")


def init():
    logging.info("initialized")


async def run(data):
    asked = json.loads(data)
    print("begins", asked, end=" ")
    print("here")
    await asyncio.sleep(0)
    logging.info("ends %s\\nfor good", asked)
    if asked == "beside":
        subprocess.run(["sh", "-c", "echo from another process"])
    if asked == "raises":
        raise ValueError("no such thing")
    return os.getpid()
"""


def test_the_lines_of_get_logs_have_time_instance_and_request(host: RunningHost) -> None:
    serving.endpoint(host, "spoken")
    code = serving.codes(host, "prints", {"score.py": PRINTS})
    many = {"requestSettings": {"maxConcurrentRequestsPerInstance": 8}}
    serving.deploy(host, "spoken/blue", code, count=2, **many)
    serving.traffic(host, "spoken", blue=100)

    def lines() -> list[list[str]]:
        path = "onlineEndpoints/spoken/deployments/blue/getLogs"
        content = host.workspace.call("POST", path).json()["content"]
        return [line.split(" ", 3) for line in content.splitlines()]

    told: list[list[str]] = []

    def of(request: str) -> list[str]:
        return [text for _, _, asked, text in told if asked == request]

    def whole() -> bool:
        """What is printed is read a moment later, on each instance by itself."""
        told[:] = lines()
        everybody = [line for *_, line in told]
        raised = "[ml-endpoints] run() raised ValueError: no such thing"
        return (
            raised in of("r-raises")
            and "Traceback (most recent call last):" in of("r-raises")
            and all(len(of(f"r-{number}")) == 3 for number in range(24))
            and "from another process" in everybody
            and everybody.count("imported") == everybody.count("initialized") == 2
        )

    with serving.caller(host, "spoken") as client:

        def ask(said: str) -> None:
            client.post("", json=said, headers={"x-request-id": f"r-{said}"})

        with ThreadPoolExecutor(8) as callers:
            list(callers.map(ask, [f"{number}" for number in range(24)]))
        ask("beside")
        ask("raises")
    until(whole, "all that was printed")
    for number in range(24):
        assert of(f"r-{number}") == [f"begins {number} here", f"ends {number}", "for good"]
    assert "Traceback (most recent call last):" in of("r-raises")
    assert sorted(line for line in of("-") if "[ml-endpoints]" not in line) == [
        "from another process",
        *("imported", "imported", "initialized", "initialized"),
    ]
    times = [datetime.fromisoformat(time) for time, *_ in told]
    assert times == sorted(times)
    # By its deployment, its revision and its number: elsewhere also its endpoint and its life.
    name = r"(spoken-)?blue-[0-9a-f]{6}(-[0-9a-f]{6})?-[01](\.1)?"
    assert all(re.fullmatch(name, instance) for _, instance, *_ in told)
    assert len({instance for _, instance, *_ in told}) == 2
