"""Tokens, mirrored traffic and guarded rollouts on a running host: its own timers store the
figures and move the rollout on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from outside import serving
from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet
from tests.kit.waiting import PATIENCE, until

pytestmark = pytest.mark.journey
SCORE = "/endpoints/{}/score"
COLLECTS = """
import json

from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext


def init():
    global inputs, outputs
    inputs = Collector(name="model_inputs")
    outputs = Collector(name="model_outputs", on_error=print)


def run(data):
    rows = json.loads(data)
    context = inputs.collect(rows)
    outputs.collect([{"sum": sum(row["x"] for row in rows)}], context)
    return len(rows)
"""
FAILS = "def init():\n    pass\n\n\ndef run(data):\n    raise ValueError('no good')\n"


@pytest.fixture(scope="module")
def swift(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host that stores its figures, and sweeps, every second; `echo` has a good `blue`
    with all the traffic and a `green` that fails."""
    settings = {
        "ML_ENDPOINTS_AGGREGATE_PERIOD": "0.2",
        "ML_ENDPOINTS_COLLECT_PERIOD": "0.2",
        "ML_ENDPOINTS_SWEEP_SCHEDULE": "* * * * * *",
        "ML_ENDPOINTS_CORS_ORIGINS": "https://app.example",
    }
    folder: Path = tmp_path_factory.mktemp("host") / "data"
    with fleet.hosting(folder, environment=settings) as host:
        serving.environment(host)
        serving.endpoint(host, "echo")
        good = serving.codes(host, "echo", {"score.py": serving.ECHO})
        bad = serving.codes(host, "fails", {"score.py": FAILS})
        limits = {"requestSettings": {"maxConcurrentRequestsPerInstance": 8}}
        serving.deploy(host, "echo/blue", good, **limits)
        serving.deploy(host, "echo/green", bad, **limits)
        serving.traffic(host, "echo", blue=100)
        yield host


def put(host: RunningHost, **properties: Any) -> None:
    host.workspace.mutate("PATCH", "onlineEndpoints/echo", {"properties": properties})


def shown(host: RunningHost) -> dict[str, Any]:
    found: dict[str, Any] = host.workspace.get("onlineEndpoints/echo")["properties"]
    return found


def issuers_token(host: RunningHost, scope: str) -> str:
    connection = host.connection
    form = {
        "grant_type": "client_credentials",
        "client_id": connection["client_id"],
        "client_secret": connection["client_secret"],
        "scope": scope,
    }
    reply = httpx.post(connection["token_url"], data=form, verify=host.tls, timeout=PATIENCE)
    token: str = reply.json()["access_token"]
    return token


def test_a_rollout_to_a_failing_deployment_takes_itself_back(swift: RunningHost) -> None:
    steps = [{"traffic": {"blue": 50, "green": 50}, "duration": "PT1H"}]
    limits = {"errorRate": 0.2, "minimumRequests": 10}
    put(swift, rollout={"steps": steps, "limits": limits})
    assert shown(swift)["traffic"] == {"blue": 50, "green": 50}
    with serving.caller(swift, "echo") as caller:

        def over() -> bool:
            caller.post("", json=[1])
            return bool(shown(swift)["rolloutStatus"]["state"] == "RolledBack")

        until(over, what="a rollout that goes back")
        endpoint = shown(swift)
        assert endpoint["traffic"] == {"blue": 100}
        assert "requests to 'green' failed (100.00%)" in endpoint["rolloutStatus"]["reason"]
        assert {caller.post("", json=[1]).status_code for _ in range(20)} == {200}
    rollout = {"rollout": endpoint["rolloutStatus"]["id"]}
    begun, back = until(lambda: len(told := swift.story(endpoint="echo", **rollout)) == 2 and told)
    assert (begun["action"], begun["traffic"]) == ("rollout_begun", {"blue": 50, "green": 50})
    assert (back["action"], back["step"]) == ("rollout_rolled_back", 0)
    assert back["reason"] == endpoint["rolloutStatus"]["reason"]
    until(lambda: swift.story(action="traffic_moved")[-1]["traffic"] == {"blue": 100})


def test_a_mirror_that_fails_is_seen_in_the_report_and_by_no_caller(swift: RunningHost) -> None:
    put(swift, mirrorTraffic={"green": 50})
    with serving.caller(swift, "echo") as caller:
        assert {caller.post("", json=[1]).status_code for _ in range(40)} == {200}

    def report() -> dict[str, Any] | None:
        found = swift.workspace.get("onlineEndpoints/echo/shadowReports")["value"]
        mirrored = found and found[0]["mirrored"] + sum(found[0]["lost"].values())
        return found[0] if mirrored == 20 else None

    found = until(report, what="20 copies in the report")
    assert found["mirror"]["errors"] == found["mirrored"] > 0
    assert found["live"]["errors"] == 0
    put(swift, mirrorTraffic={"green": 0})


def test_each_auth_mode_takes_its_own_credential_alone(swift: RunningHost) -> None:
    key = serving.key(swift, "echo")
    scoring = issuers_token(swift, "https://ml.azure.com/.default")
    control = swift.workspace.token()
    put(swift, authMode="AMLToken")
    own = swift.workspace.call("POST", "onlineEndpoints/echo/token").json()["accessToken"]
    everything = {"key": key, "own": own, "scoring": scoring, "control": control}
    for mode, opens in (("AMLToken", "own"), ("AADToken", "scoring"), ("Key", "key")):
        put(swift, authMode=mode)
        with swift.client() as client:
            found = {
                name: client.post(
                    SCORE.format("echo"),
                    json=[1],
                    headers={"Authorization": f"Bearer {credential}"},
                ).status_code
                for name, credential in everything.items()
            }
        assert found == {name: 200 if name == opens else 401 for name in everything}, mode


def test_a_preflight_is_answered(swift: RunningHost) -> None:
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    with swift.client() as client:
        reply = client.options(SCORE.format("echo"), headers=headers)
    assert reply.status_code == 204
    assert reply.headers["access-control-allow-origin"] == "https://app.example"


def collected(host: RunningHost, collection: str) -> list[dict[str, Any]]:
    """What is there of a collection of echo/watched by now."""
    blobs = host.data_dir / "blobs" / "workspaceblobstore"
    files = blobs.glob(f"modelDataCollector/echo/watched/{collection}/*/*/*/*/*.jsonl")
    return [json.loads(line) for file in sorted(files) for line in file.read_text().splitlines()]


def test_a_data_collector_keeps_payloads_and_what_the_script_collects(swift: RunningHost) -> None:
    names = ("request", "response", "model_inputs", "model_outputs")
    collector = {
        "collections": {name: {"dataCollectionMode": "enabled"} for name in names},
        "requestLogging": {"captureHeaders": ["X-Tenant"]},
        "redaction": {"fields": ["ssn"]},
    }
    code = serving.codes(swift, "collects", {"score.py": COLLECTS})
    serving.deploy(swift, "echo/watched", code, dataCollector=collector)
    with serving.caller(swift, "echo") as client:
        sent = {"x-request-id": "of-this-test", "x-tenant": "acme"}
        client.headers["azureml-model-deployment"] = "watched"
        answer = client.post("", json=[{"x": 1, "ssn": "123"}, {"x": 2}], headers=sent)
    assert answer.json() == 2

    def of_all() -> dict[str, Any] | None:
        there = {name: collected(swift, name) for name in names}
        return {n: each[0] for n, each in there.items()} if all(there.values()) else None

    found = until(of_all)
    assert found["request"]["data"] == [{"x": 1, "ssn": "[redacted]"}, {"x": 2}]
    assert found["request"]["headerxtenant"] == "acme"
    assert found["response"]["data"] == 2
    assert found["model_inputs"]["data"] == found["request"]["data"]
    assert found["model_outputs"]["data"] == [{"sum": 3}]
    assert {each["correlationid"] for each in found.values()} == {"of-this-test"}
    assert found["model_outputs"]["type"] == "azureml.inference.model_outputs"
