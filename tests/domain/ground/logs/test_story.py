"""What the log tells of facts."""

import logging
from typing import Any

import pytest

from domain.ground.facts import EventType, Fact
from domain.ground.logs import story

E = EventType
BLUE = {"endpoint": "iris", "deployment": "blue"}
BY_STATUS = {E.JOB_RUNNING, E.JOB_COMPLETED, E.JOB_FAILED, E.JOB_CANCELED}
"""Told with every other change of a job's status."""
BY_DROP = {E.DROP_SEALED}
WHOLE = {
    **BLUE,
    "job": "j",
    "rollout": "r",
    "budget": "b",
    "alert": "a",
    "condition": "Total Requests 11 is above 10",
    "spent": 8.5,
    "amount": 10.0,
    "currency": "USD",
    "since": "2026-11-01",
    "threshold": 80.0,
    "reason": "why",
    "traffic": {"blue": 100},
    "trafficBefore": {},
    "error": {"code": "OutOfQuota", "message": "No room.\nThe end of its log:\nsaid"},
}


def told(caplog: pytest.LogCaptureFixture, fact: Fact) -> list[dict[str, Any]]:
    caplog.clear()
    with caplog.at_level(logging.INFO, "ml_endpoints.story"):
        story.tell([fact])
    return [vars(record) for record in caplog.records]


def test_a_failure_is_told_with_its_names_code_and_operation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = {**BLUE, "error": WHOLE["error"]}
    subject = "onlineEndpoints/iris/deployments/blue"
    fact = Fact(type=E.ONLINE_DEPLOYMENT_FAILED, subject=subject, data=data)
    (line,) = told(caplog, fact.but(generation=3, operation="onlineEndpoints:iris:1"))
    assert line["message"] == "Deployment blue of iris has failed: No room."
    assert {name: line[name] for name in ("action", "kind", "code", "generation", "operation")} == {
        "action": "deployment_failed",
        "kind": "onlineEndpoints",
        "code": "OutOfQuota",
        "generation": 3,
        "operation": "onlineEndpoints:iris:1",
    }
    assert line["levelname"] == "WARNING"
    (died_later,) = told(caplog, fact)
    assert "operation" not in died_later


@pytest.mark.parametrize("type", [type for type in E if type not in BY_STATUS | BY_DROP])
def test_every_other_fact_is_told_once(caplog: pytest.LogCaptureFixture, type: E) -> None:
    (line,) = told(caplog, Fact(type=type, subject="onlineEndpoints/iris", data=WHOLE))
    assert line["action"] in story.SENTENCES


@pytest.mark.parametrize("type", sorted(BY_STATUS | BY_DROP))
def test_what_others_tell_of_is_not_told_twice(caplog: pytest.LogCaptureFixture, type: E) -> None:
    assert told(caplog, Fact(type=type, subject="batchEndpoints/iris", data=WHOLE)) == []
