"""Schedules through the door: made, fired by the clock, read, stopped."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from examples.client import CallFailed
from tests.e2e import scoring_files as batch
from tests.e2e.running_host import RunningHost, until


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


def clock(ahead: float) -> str:
    return datetime.fromtimestamp(int(time.time() + ahead), UTC).strftime("%Y-%m-%dT%H:%M:%S")


def read(host: RunningHost, name: str) -> dict[str, Any]:
    found: dict[str, Any] = host.workspace.get(f"schedules/{name}")["properties"]
    return found


def test_a_schedule_starts_one_job_for_each_second_of_its_time(host: RunningHost) -> None:
    uri = batch.data(host, {"a.csv": "x"})
    asked = body(uri, startTime=clock(1.2), endTime=clock(2.2))
    answer = host.workspace.call("PUT", "schedules/brief", asked)
    assert answer.status_code == 201
    shown = answer.json()
    assert shown["type"] == "Microsoft.MachineLearningServices/workspaces/schedules"
    assert shown["properties"]["provisioningState"] == "Succeeded"
    assert shown["properties"]["nextTriggerTime"]
    until(lambda: len(read(host, "brief")["lastRuns"]) == 2, what="the end of its time")
    shown = read(host, "brief")
    assert shown["nextTriggerTime"] is None
    runs = shown["lastRuns"]
    assert [run["status"] for run in runs] == ["Started"] * 2
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
        "interval": 1,
    }
    with pytest.raises(CallFailed, match="a recurrence can be said as an expression"):
        host.workspace.call("PUT", "schedules/wrong", recurring)
    ended = body("azureml:nothing:1", startTime=clock(60), endTime=clock(0))
    with pytest.raises(CallFailed, match="endTime is not after startTime"):
        host.workspace.call("PUT", "schedules/wrong", ended)


def test_a_schedule_goes_on_where_a_killed_host_left_it(host: RunningHost) -> None:
    uri = batch.data(host, {"a.csv": "x"})
    asked = body(uri, startTime=clock(2), endTime=clock(2))
    asked["properties"]["trigger"]["endTime"] = clock(3)
    host.workspace.call("PUT", "schedules/survivor", asked)
    host.kill()
    ends = time.time() + 3.2
    until(lambda: time.time() > ends)
    host.start()
    runs = until(lambda: read(host, "survivor")["lastRuns"], within=25)
    assert [run["status"] for run in runs] == ["Started"]
    assert batch.ended(host, runs[0]["jobName"])["status"] == "Completed"
