"""What things have cost today, in the overview."""

from typing import Any

from domain.ground.access import trusted
from domain.ground.resource import Conditions
from tests.handlers.ledger.conftest import Metered
from tests.kit.stages.provisioning_stage import batch_deployment, batch_endpoint


async def overview(metered: Metered) -> Any:
    metered.plane.stage.clock.move(60)
    reply = await metered.plane.client().get("overview")
    assert reply.status_code == 200, reply.text
    return reply.json()["properties"]


async def test_the_overview_says_what_each_has_cost_since_midnight(metered: Metered) -> None:
    stage = metered.plane.stage
    await stage.iris()
    await stage.put_deployment("blue", instance_type="Standard_F4s_v2")
    await stage.put_deployment("red", instance_type="Standard_DS3_v2")
    provisioning, me = stage.application.batch.provisioning, trusted("me")
    await provisioning.put_endpoint("scores", batch_endpoint(), me, Conditions())
    await provisioning.put_deployment("scores", "green", batch_deployment(), me, Conditions())
    await stage.settle()
    metered.runs("online/iris/blue", 2 * 3600)
    metered.runs("online/iris/red", 3600)
    found = await overview(metered)
    day = {
        "day": "2026-01-02",
        "currency": "USD",
        "isSample": True,
        "unpricedInstanceTypes": [],
    }
    assert found["costsToday"] == day
    [iris], [scores] = found["onlineEndpoints"], found["batchEndpoints"]
    assert iris["costToday"] == 0.63
    assert {each["name"]: each["costToday"] for each in iris["deployments"]} == {
        "blue": 0.34,
        "red": 0.29,
    }
    assert (scores["costToday"], scores["deployments"][0]["costToday"]) == (0, 0)
    stage.clock.move(86400)
    [tomorrow] = (await overview(metered))["onlineEndpoints"]
    assert tomorrow["costToday"] == 0


async def test_less_than_a_hundredth_does_not_change_the_answer(metered: Metered) -> None:
    stage = metered.plane.stage
    await stage.iris()
    await stage.put_deployment("blue", instance_type="Standard_F4s_v2")
    await stage.settle()
    client = metered.plane.client()
    first = await client.get("overview")
    known = {"If-None-Match": first.headers["etag"]}
    metered.runs("online/iris/blue", 100)
    assert (await client.get("overview", headers=known)).status_code == 304
    metered.runs("online/iris/blue", 3600)
    assert (await client.get("overview", headers=known)).status_code == 200
