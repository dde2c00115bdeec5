"""The whole workspace at a glance."""

from pathlib import Path
from typing import Any

from domain.ground.access import trusted
from domain.ground.resource import Conditions
from domain.ports import Instance, ScoringRequest
from tests.handlers.conftest import ControlPlane
from tests.kit.scorers import says
from tests.kit.stages.gateway_stage import opened
from tests.kit.stages.provisioning_stage import batch_deployment, batch_endpoint


async def read(plane: ControlPlane, role: str = "owner") -> Any:
    # What has been read of late is shown again.
    plane.stage.clock.move(60)
    reply = await plane.client(role).get("overview")
    assert reply.status_code == 200, reply.text
    return reply.json()["properties"]


async def test_endpoints_come_with_traffic_states_and_deployments(plane: ControlPlane) -> None:
    stage = plane.stage
    await stage.iris("blue", "green")
    client = plane.client()
    patch = {"properties": {"traffic": {"blue": 90, "green": 10}}, "tags": {"team": "a"}}
    await client.finish(await client.patch("onlineEndpoints/iris", patch))
    await stage.put_endpoint("rose")
    found = await read(plane)
    iris, rose = found["onlineEndpoints"]
    assert iris["id"].endswith("/onlineEndpoints/iris")
    assert (iris["traffic"], iris["tags"]) == ({"blue": 90, "green": 10}, {"team": "a"})
    assert (iris["provisioningState"], iris["error"], iris["latencyP95"]) == (
        "Succeeded",
        None,
        None,
    )
    assert [(each["name"], each["instances"]) for each in iris["deployments"]] == [
        ("blue", 1),
        ("green", 1),
    ]
    assert iris["deployments"][0]["id"].endswith("/onlineEndpoints/iris/deployments/blue")
    assert (rose["provisioningState"], rose["deployments"]) == ("Creating", [])


async def test_batch_endpoints_and_jobs_are_there(plane: ControlPlane) -> None:
    stage = plane.stage
    await stage.register_assets()
    provisioning = stage.application.batch.provisioning
    me = trusted("me")
    await provisioning.put_endpoint("scores", batch_endpoint(), me, Conditions())
    await provisioning.put_deployment("scores", "blue", batch_deployment(), me, Conditions())
    await stage.settle()
    found = await read(plane)
    [scores] = found["batchEndpoints"]
    assert (scores["name"], scores["provisioningState"]) == ("scores", "Succeeded")
    assert [each["name"] for each in scores["deployments"]] == ["blue"]
    assert found["jobs"] == []


async def test_everybody_sees_what_is_his_to_read(plane: ControlPlane) -> None:
    await plane.stage.put_endpoint("iris")
    await plane.stage.put_endpoint("rose")
    for role, names in (
        ("reader", ["iris", "rose"]),
        ("contributor/onlineEndpoints/rose", ["rose"]),
        ("reader/batchEndpoints/scores", []),
        ("scorer", []),
    ):
        found = await read(plane, role)
        assert [each["name"] for each in found["onlineEndpoints"]] == names, role
    assert (await plane.client(None).get("overview")).status_code == 401


async def test_who_has_it_as_it_is_gets_nothing_until_it_changes(plane: ControlPlane) -> None:
    await plane.stage.iris("blue")
    client = plane.client()
    first = await client.get("overview")
    known = {"If-None-Match": f'"another", {first.headers["etag"]}'}
    plane.stage.clock.move(600)
    same = await client.get("overview", headers=known)
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    await plane.stage.put_endpoint("rose")
    plane.stage.clock.move(60)
    assert (await client.get("overview", headers=known)).status_code == 200
    # To whom less is shown it is another.
    other = await plane.client("scorer").get("overview", headers=known)
    assert other.status_code == 200


async def test_rates_are_of_the_last_minutes_of_all_gateways(tmp_path: Path) -> None:
    async with opened(tmp_path) as gateways:
        await gateways.iris("blue", "green")
        await gateways.patch(traffic={"blue": 100})
        answers = iter([says(), says(500), says(400), says()])

        def script(instance: Instance, request: ScoringRequest) -> Any:
            return next(answers)

        gateways.scorer.script = script
        gateways.clock.time = gateways.clock.time // 60 * 60 + 60
        for host in (0, 1, 0, 1):
            assert (await gateways.all[host].score()).status_code in (200, 424)
        for gateway in gateways.all:
            await gateway.application.figures.gathering.flush()

        async def iris() -> Any:
            reply = await gateways.other.arm("GET", "overview")
            return reply.json()["properties"]["onlineEndpoints"][0]

        gateways.clock.move(60)
        found = await iris()
        blue, green = found["deployments"]
        for each in (found, blue):
            # A minute has been since, and a refusal is its caller's fault.
            assert (each["requestsPerMinute"], each["failuresPerMinute"]) == (4.0, 1.0)
            assert each["latencyP95"] > 0
        assert (green["requestsPerMinute"], green["latencyP95"]) == (0, None)
        gateways.clock.move(600)
        assert (await iris())["requestsPerMinute"] == 0
