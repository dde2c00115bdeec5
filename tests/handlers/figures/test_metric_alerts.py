"""Metric alerts, through the door: they are looked at by the sweep, and told once when they fire
and once when that is over."""

import logging
from pathlib import Path
from typing import Any

import pytest

from domain.ground.counting.tally import endpoint_subject
from domain.ports.records.figure_store import Amounts, Bucket, Series, counted
from tests.handlers.conftest import ControlPlane
from tests.kit.stages.gateway_stage import opened

RULE = "metricAlerts/failing"
IRIS = "onlineEndpoints/iris"
BY_STATUS = {"name": "statusCodeClass", "operator": "Include", "values": ["5xx"]}
BY_DEPLOYMENT = {"name": "deployment", "operator": "Include", "values": ["*"]}


@pytest.fixture(autouse=True)
def _story(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ml_endpoints.story")


def criterion(**other: Any) -> dict[str, Any]:
    return {
        "criterionType": "StaticThresholdCriterion",
        "name": "Many",
        "metricName": "RequestsPerMinute",
        "metricNamespace": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
        "operator": "GreaterThan",
        "threshold": 10,
        "timeAggregation": "Total",
        **other,
    }


def rule(plane: ControlPlane, *criteria: dict[str, Any], **other: Any) -> dict[str, Any]:
    scopes = other.pop("scopes", [plane.routes.scope.path(IRIS)])
    asked = {
        "scopes": scopes,
        "evaluationFrequency": "PT1M",
        "windowSize": "PT5M",
        "severity": 2,
        "criteria": {
            "odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            "allOf": list(criteria) or [criterion()],
        },
        "actions": [],
        **other,
    }
    return {"location": "global", "properties": asked}


async def put(plane: ControlPlane, body: dict[str, Any]) -> dict[str, Any]:
    reply = await plane.client().put(RULE, body)
    assert reply.status_code in (200, 201), reply.text
    shown: dict[str, Any] = reply.json()["properties"]
    return shown


async def came(plane: ControlPlane, **numbers: int) -> None:
    """So many requests to each deployment, in the minute that has just begun."""
    at, subject = int(plane.stage.clock.time) // 60 * 60, endpoint_subject("iris")
    series = {
        Series(subject, "RequestsPerMinute", (name, "500", "500")): counted(number)
        for name, number in numbers.items()
    }
    await plane.stage.adapters.figures.put("a", [Bucket(60, at, series)])


async def later(plane: ControlPlane, minutes: int = 4) -> None:
    """The stage's figures are looked at two minutes late, as they are in the cloud."""
    for _ in range(minutes):
        plane.stage.clock.move(60)
        await plane.stage.sweep()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, Any]]:
    return [
        (record.__dict__["action"], record.__dict__["dimensions"])
        for record in caplog.records
        if getattr(record, "action", "").startswith("alert_")
    ]


async def status(plane: ControlPlane) -> list[Any]:
    reply = await plane.client("reader").get(f"{RULE}/status")
    return [each["properties"] for each in reply.json()["value"]]


async def test_it_fires_once_and_is_resolved_once(
    plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    await plane.stage.iris("blue")
    shown = await put(plane, rule(plane, criterion(dimensions=[BY_STATUS])))
    assert (shown["status"], shown["severity"], shown["windowSize"]) == ("Healthy", 2, "PT5M")
    await later(plane)
    assert told(caplog) == []
    await came(plane, blue=11)
    await later(plane)
    fired = [("alert_fired", {"statusCodeClass": "5xx"})]
    assert told(caplog) == fired
    [seen] = await status(plane)
    assert (seen["status"], seen["values"]) == ("Unhealthy", {"Many": 11.0})
    await later(plane, 12)
    assert told(caplog)[1:] == [("alert_resolved", {"statusCodeClass": "5xx"})]
    assert (await status(plane))[0]["status"] == "Healthy"
    assert "is resolved: The condition is not met any more." in caplog.text


async def test_each_series_fires_by_itself(
    plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    await plane.stage.iris("blue", "green")
    await put(plane, rule(plane, criterion(dimensions=[BY_DEPLOYMENT])))
    await came(plane, blue=20, green=5)
    await later(plane)
    blue = ("alert_fired", {"deployment": "blue"})
    assert told(caplog) == [blue]
    await came(plane, green=30)
    await later(plane, 3)
    assert told(caplog) == [blue, ("alert_fired", {"deployment": "green"})]
    assert "Total RequestsPerMinute 20 is above 10 in onlineEndpoints/iris" in caplog.text


async def test_several_criteria_are_to_be_met_at_once(
    plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    await plane.stage.iris("blue")
    slow = criterion(
        name="Slow", metricName="RequestLatency", timeAggregation="Average", threshold=100
    )
    await put(plane, rule(plane, criterion(), slow))
    await came(plane, blue=20)
    await later(plane, 3)
    assert told(caplog) == []
    at = int(plane.stage.clock.time) // 60 * 60
    series = {Series(endpoint_subject("iris"), "RequestLatency", ("blue",)): Amounts(2, 900, 1, 1)}
    await plane.stage.adapters.figures.put("b", [Bucket(60, at, series)])
    await later(plane, 3)
    assert told(caplog) == [("alert_fired", {})]


async def test_what_has_fired_is_over_when_the_rule_is_another_or_gone(
    plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    await plane.stage.iris("blue")
    await put(plane, rule(plane))
    await came(plane, blue=20)
    await later(plane)
    # What it is called does not matter to what has fired.
    await put(plane, rule(plane, description="Too many"))
    await put(plane, rule(plane, criterion(threshold=12)))
    await later(plane, 1)
    client = plane.client()
    assert (await client.patch(RULE, {"properties": {"enabled": False}})).status_code == 200
    await later(plane, 1)
    assert (await client.get(RULE)).json()["properties"]["status"] == "Disabled"
    await client.patch(RULE, {"properties": {"enabled": True}})
    await later(plane, 1)
    assert (await client.delete(RULE)).status_code == 200
    assert (await client.delete(RULE)).status_code == 204
    actions = [action for action, _ in told(caplog)]
    assert actions == ["alert_fired", "alert_resolved"] * 3
    for reason in ("changed", "disabled", "deleted"):
        assert f"The rule was {reason}." in caplog.text


async def test_every_fault_is_told_at_once(plane: ControlPlane) -> None:
    await plane.stage.iris("blue")
    wrong = criterion(metricName="Requests")
    other = criterion(
        name="Other",
        timeAggregation="Minimum",
        dimensions=[{"name": "colour", "operator": "Include", "values": ["*"]}],
    )
    body = rule(
        plane,
        wrong,
        other,
        scopes=[plane.routes.scope.path("onlineEndpoints/iris"), "/subscriptions/other"],
        evaluationFrequency="PT2M",
        windowSize="PT1M",
        autoMitigate=False,
    )
    refused = await plane.client().put(RULE, body)
    assert refused.status_code == 400
    assert {each["target"] for each in refused.json()["error"]["details"]} == {
        "properties.scopes[1]",
        "properties.evaluationFrequency",
        "properties.windowSize",
        "properties.autoMitigate",
        "properties.criteria.allOf[0].metricName",
        "properties.criteria.allOf[1].timeAggregation",
        "properties.criteria.allOf[1].dimensions",
        "properties.criteria.allOf[1].dimensions[0].name",
    }
    missing = rule(plane, scopes=[plane.routes.scope.path("onlineEndpoints/nobody")])
    refused = await plane.client().put(RULE, missing)
    assert "nobody" in refused.json()["error"]["details"][0]["message"]
    groups = rule(plane, actions=[{"actionGroupId": "/subscriptions/x"}])
    assert "MlEndpoints.Alert.Fired" in (await plane.client().put(RULE, groups)).text
    assert (await plane.client("reader").put(RULE, rule(plane))).status_code == 403


async def test_of_two_hosts_that_look_at_once_one_tells(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as gateways:
        await gateways.iris("blue")
        scope = gateways.other.application.scope
        asked = {
            "scopes": [scope.path(IRIS)],
            "criteria": {"allOf": [criterion(threshold=0, operator="GreaterThanOrEqual")]},
        }
        made = await gateways.other.arm("PUT", RULE, {"properties": asked})
        assert made.status_code == 201, made.text
        due = await gateways.store.due(gateways.clock.time)
        [document] = [each for each in due if each.body["kind"] == "metricAlert"]
        for gateway in gateways.all:
            await gateway.application.alerts.metric.resume(document)
        assert [action for action, _ in told(caplog)] == ["alert_fired"]
