"""Budgets, through the door: they are reckoned by the sweep, and told once for each time."""

from typing import Any

import pytest

from tests.handlers.ledger.conftest import Metered

LATE = 20 * 60
"""Seconds after which every budget has been due."""
FULL = {"amount": 0.5, "notifications": {"Half": {"threshold": 50}, "All": {"threshold": 100}}}


async def begin(metered: Metered, **asked: Any) -> dict[str, Any]:
    stage = metered.plane.stage
    await stage.iris()
    await stage.put_deployment("blue", instance_type="Standard_F4s_v2", tags={"team": "a"})
    await stage.settle()
    reply = await metered.plane.client().put("budgets/mine", {"properties": {**FULL, **asked}})
    assert reply.status_code == 201, reply.text
    shown: dict[str, Any] = reply.json()["properties"]
    return shown


async def spend(metered: Metered, hours: float) -> dict[str, Any]:
    """An hour of blue is 0.169 USD."""
    metered.runs("online/iris/blue", hours * 3600)
    metered.plane.stage.clock.move(LATE)
    await metered.plane.stage.sweep()
    reply = await metered.plane.client().get("budgets/mine")
    shown: dict[str, Any] = reply.json()["properties"]
    return shown


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, float]]:
    return [
        (record.__dict__["notification"], record.__dict__["spent"])
        for record in caplog.records
        if getattr(record, "action", "") == "budget_passed"
    ]


async def test_each_part_that_is_passed_is_told_once_a_month(
    metered: Metered, caplog: pytest.LogCaptureFixture
) -> None:
    shown = await begin(metered)
    assert shown["currentSpend"] == {"amount": 0.0, "unit": "USD"}
    shown = await spend(metered, 1)
    assert (shown["currentSpend"]["amount"], told(caplog)) == (0.169, [])
    shown = await spend(metered, 1)
    assert (shown["since"], told(caplog)) == ("2026-01-01", [("Half", 0.338)])
    await spend(metered, 1)
    assert told(caplog) == [("Half", 0.338), ("All", 0.507)]
    await spend(metered, 1)
    assert len(told(caplog)) == 2
    metered.plane.stage.clock.move(31 * 86400)
    shown = await spend(metered, 2)
    assert (shown["since"], shown["currentSpend"]["amount"]) == ("2026-02-01", 0.338)
    assert shown["notifications"]["Half"]["toldFor"] == "2026-02-01"
    assert told(caplog)[2:] == [("Half", 0.338)]


async def test_a_budget_that_is_passed_when_it_is_made_says_so_at_once(
    metered: Metered, caplog: pytest.LogCaptureFixture
) -> None:
    await begin(metered, amount=100)
    await spend(metered, 1)
    client = metered.plane.client()
    lower = {"properties": {"amount": 0.1, "timeGrain": "Daily"}}
    made = await client.put("budgets/daily", lower)
    assert made.json()["properties"]["notifications"]["Whole"]["toldFor"] == "2026-01-02"
    assert told(caplog) == [("Whole", 0.169)]
    assert (
        await client.patch("budgets/daily", {"properties": {"amount": 0.12}})
    ).status_code == 200
    assert len(told(caplog)) == 1
    assert (await client.delete("budgets/daily")).status_code == 200


async def test_a_budget_may_be_for_some_of_the_usage_and_for_some_time(
    metered: Metered, caplog: pytest.LogCaptureFixture
) -> None:
    others = {"tags": {"name": "team", "operator": "In", "values": ["b"]}}
    await begin(metered, filter=others)
    assert (await spend(metered, 9))["currentSpend"]["amount"] == 0
    over = {"endDate": "2026-01-01T00:00:00Z"}
    await metered.plane.client().put("budgets/over", {"properties": {**FULL, "timePeriod": over}})
    await spend(metered, 1)
    assert told(caplog) == []


async def test_who_may_not_write_may_read(metered: Metered) -> None:
    await begin(metered)
    reader = metered.plane.client("reader")
    assert (await reader.get("budgets")).json()["value"][0]["name"] == "mine"
    assert (await reader.put("budgets/mine", {"properties": FULL})).status_code == 403
    wrong = {"amount": 0, "notifications": {"a": {"contactEmails": ["a@b.example"]}}}
    refused = await metered.plane.client().put("budgets/no", {"properties": wrong})
    targets = {each["target"] for each in refused.json()["error"]["details"]}
    assert targets == {"properties.amount", "properties.notifications.a.contactEmails"}
