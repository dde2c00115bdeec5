"""Schedules through the door: made, fired by the clock, read, stopped."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from examples.client import CallFailed
from outside import scoring_files as batch
from outside.running_host import RunningHost
from tests.kit.waiting import until


@pytest.fixture(scope="module", autouse=True)
def endpoint(host: RunningHost) -> None:
    batch.batch(host, "clocked")


def body(uri: str, expression: str = "* * * * * *", **trigger: Any) -> dict[str, Any]:
    definition = {
        "endpointName": "clocked",
        "properties": {"inputData": {"files": {"jobInputType": "UriFolder", "uri": uri}}},
    }
    return {
        "properties": {
            "displayName": "every now and then",
            "trigger": {"triggerType": "Cron", "expression": expression, **trigger},
            "action": {
                "actionType": "InvokeBatchEndpoint",
                "endpointInvocationDefinition": definition,
            },
        }
    }


def clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def read(host: RunningHost, name: str) -> dict[str, Any]:
    found: dict[str, Any] = host.workspace.get(f"schedules/{name}")["properties"]
    return found


def test_a_schedule_starts_a_job_at_its_times_until_their_end(host: RunningHost) -> None:
    """Of times that pass while the machine stands still, the last counts:
    tests/domain/schedules/test_scheduling.py has each of them on a clock of its own."""
    uri = batch.data(host, {"a.csv": "x"})
    answer = host.workspace.call("PUT", "schedules/brief", body(uri))
    assert answer.status_code == 201
    shown = answer.json()
    assert shown["type"] == "Microsoft.MachineLearningServices/workspaces/schedules"
    assert shown["properties"]["provisioningState"] == "Succeeded"
    assert shown["properties"]["nextTriggerTime"]
    until(lambda: len(read(host, "brief")["lastRuns"]) >= 2, "two of its times")
    ending = {"properties": {"trigger": {"endTime": clock(time.time() + 1)}}}
    host.workspace.call("PATCH", "schedules/brief", ending)
    until(lambda: read(host, "brief")["nextTriggerTime"] is None, "the end of its time")
    runs = read(host, "brief")["lastRuns"]
    assert {run["status"] for run in runs} == {"Started"}
    assert len({run["triggerTime"] for run in runs}) == len(runs)
    for run in runs:
        job = batch.ended(host, run["jobName"])
        assert job["status"] == "Completed"
        assert job["properties"]["ml_endpoints.schedule"] == "brief"


def test_a_schedule_is_changed_by_its_etag_and_deleted(host: RunningHost) -> None:
    http, bearer = host.workspace.http, host.bearer()
    where = f"{host.url}{host.workspace.connection['workspace']}/schedules"

    def listed(view: str) -> dict[str, Any]:
        answer = http.get(where, params={"listViewType": view}, headers=bearer)
        return {each["name"]: each["properties"] for each in answer.json()["value"]}

    uri = batch.data(host, {"a.csv": "x"})
    made = host.workspace.call("PUT", "schedules/yearly", body(uri, "0 0 1 1 *"))
    assert listed("EnabledOnly")["yearly"] == read(host, "yearly")
    assert listed("All")["yearly"]["nextTriggerTime"]
    etag = made.headers["etag"]
    patched = host.workspace.call(
        "PATCH", "schedules/yearly", {"properties": {"isEnabled": False}}, **{"If-Match": etag}
    )
    assert patched.json()["properties"]["nextTriggerTime"] is None
    with pytest.raises(CallFailed, match="412"):
        host.workspace.call("PUT", "schedules/yearly", body(uri), **{"If-Match": etag})
    assert listed("DisabledOnly")["yearly"] == read(host, "yearly")
    assert "yearly" in listed("All")
    assert "yearly" not in listed("EnabledOnly")
    assert host.workspace.call("DELETE", "schedules/yearly").status_code == 200
    assert host.workspace.call("DELETE", "schedules/yearly").status_code == 204
    with pytest.raises(CallFailed, match="404"):
        host.workspace.get("schedules/yearly")


def test_what_cannot_be_scheduled_is_refused_with_every_fault(host: RunningHost) -> None:
    wrong = body("azureml:nothing:1", "61 * * * *", timeZone="Mars/Base")
    wrong["properties"]["action"]["endpointInvocationDefinition"]["properties"]["name"] = "mine"
    with pytest.raises(CallFailed) as refused:
        host.workspace.call("PUT", "schedules/wrong", wrong)
    told = str(refused.value)
    assert "minute: `61` is not within 0 to 59" in told
    assert "'Mars/Base' is not a time zone" in told
    assert "leave out name" in told
    recurring = body("azureml:nothing:1")
    recurring["properties"]["trigger"] = {
        "triggerType": "Recurrence",
        "frequency": "Day",
        "interval": 2,
    }
    with pytest.raises(CallFailed, match="every 2 days cannot be said by a clock"):
        host.workspace.call("PUT", "schedules/wrong", recurring)
    ended = body(
        "azureml:nothing:1", startTime="2030-01-01T00:01:00", endTime="2030-01-01T00:00:00"
    )
    with pytest.raises(CallFailed, match="endTime is not after startTime"):
        host.workspace.call("PUT", "schedules/wrong", ended)


def test_a_schedule_goes_on_where_a_killed_host_left_it(host: RunningHost) -> None:
    uri = batch.data(host, {"a.csv": "x"})
    ahead = 1.0
    while True:
        # Nobody was up at its times if the host was killed before the first.
        ahead *= 2
        first = int(time.time() + ahead)
        asked = body(uri, startTime=clock(first), endTime=clock(first + 1))
        host.workspace.call("PUT", "schedules/survivor", asked)
        host.kill()
        if time.time() < first:
            break
        host.start()
        host.workspace.call("DELETE", "schedules/survivor")
    until(lambda: time.time() > first + 1)
    host.start()
    runs = until(lambda: read(host, "survivor")["lastRuns"])
    assert [run["status"] for run in runs] == ["Started"]
    assert batch.ended(host, runs[0]["jobName"])["status"] == "Completed"
