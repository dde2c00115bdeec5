"""What happened to resources and who did it, through the door."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.audit import story_keeping
from domain.ground.access import trusted
from domain.ground.resource import Conditions
from tests.handlers.conftest import ControlPlane
from tests.kit.stages.provisioning_stage import batch_deployment, batch_endpoint

ENDPOINT = "onlineEndpoints/iris/activity"


@pytest.fixture
async def told(plane: ControlPlane) -> AsyncIterator[ControlPlane]:
    """Whose lines are kept, as a host has them kept."""
    logger = logging.getLogger(story_keeping.LOGGER)
    before = logger.level
    logger.setLevel(logging.INFO)
    plane.stage.application.audit.story.listen()
    yield plane
    await plane.stage.application.audit.story.end()
    logger.setLevel(before)


async def activity(plane: ControlPlane, path: str, role: str = "reader") -> list[dict[str, Any]]:
    reply = await plane.client(role).get(path)
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["value"]
    return found


async def test_acts_stand_with_what_became_of_them_and_who_began_it(told: ControlPlane) -> None:
    client, stage = told.client("contributor"), told.stage
    await client.finish(await client.put("onlineEndpoints/iris", {"properties": {}}))
    await stage.register_assets()
    await stage.put_deployment("blue")
    await stage.settle()
    stage.compute.told["online/iris/green"] = stage.compute.state.FAILED
    stage.compute.code, stage.compute.reason = "ResourceNotReady", "It is broken"
    await stage.put_deployment("green")
    await stage.settle()
    found = await activity(told, ENDPOINT)
    assert sorted(found, key=lambda each: each["time"], reverse=True) == found
    events = {(each["action"], each["resource"]): each for each in found if each["kind"] == "Event"}
    green = "onlineEndpoints/iris/deployments/green"
    assert "It is broken" in events["deployment_failed", green]["text"]
    assert events["deployment_failed", green]["level"] == "Warning"
    assert events["deployment_failed", green]["caller"] == "a test"
    created = events["endpoint_created", "onlineEndpoints/iris"]
    assert created["caller"] == "a-contributor"
    [act] = [each for each in found if each["kind"] == "Act"]
    assert (act["action"], act["statusCode"], act["operation"]) == (
        "onlineEndpoints/write",
        201,
        created["operation"],
    )
    assert act["text"] == "a-contributor asked for PUT onlineEndpoints/write: 201"
    of_green = await activity(told, f"{green}/activity")
    assert {each["resource"] for each in of_green} == {green}
    assert len(await activity(told, "activity")) >= len(found)


async def test_it_comes_in_pages_each_record_once(told: ControlPlane) -> None:
    await told.stage.iris("blue", "green")
    whole = await activity(told, ENDPOINT)
    seen: list[dict[str, Any]] = []
    url: str | None = f"{ENDPOINT}?$top=3"
    client = told.client("reader")
    while url is not None:
        reply = await (client.http.get(url) if url.startswith("http") else client.get(url))
        seen += reply.json()["value"]
        url = reply.json().get("nextLink")
    assert seen == whole
    assert len(whole) == 6


async def test_a_job_has_what_was_asked_of_it_and_what_became_of_it_in_pages(
    told: ControlPlane,
) -> None:
    stage = told.stage
    await stage.register_assets()
    me = trusted("me")
    provisioning = stage.application.batch.provisioning
    await provisioning.put_endpoint("scores", batch_endpoint(), me, Conditions())
    await provisioning.put_deployment("scores", "blue", batch_deployment(), me, Conditions())
    await stage.settle()
    uri = "azureml://datastores/workspaceblobstore/paths/in/"
    inputs = {"in": {"jobInputType": "UriFolder", "uri": uri}}
    client = told.client("contributor")
    body = {"properties": {"inputData": inputs}}
    named = {"azureml-model-deployment": "blue"}
    made = await client.http.post("/endpoints/scores/jobs", json=body, headers=named)
    assert made.status_code in (200, 201), made.text
    job = made.json()["name"]
    stage.clock.move(1)
    await client.post(f"jobs/{job}/cancel", {})
    whole = await activity(told, f"jobs/{job}/activity")
    assert {each["kind"] for each in whole} == {"Act", "Event"}
    assert [each["action"] for each in whole if each["kind"] == "Event"][-1] == "job_created"
    assert whole[-1]["caller"] == "a-contributor"
    seen: list[dict[str, Any]] = []
    url: str | None = f"jobs/{job}/activity?$top=1"
    while url is not None:
        reply = await (client.http.get(url) if url.startswith("http") else client.get(url))
        seen += reply.json()["value"]
        url = reply.json().get("nextLink")
    assert seen == whole
    wrong = await client.get(f"jobs/{job}/activity?$skip=yesterday")
    assert wrong.status_code == 400


async def test_everybody_reads_the_activity_of_what_is_his(told: ControlPlane) -> None:
    await told.stage.iris()
    for role, path, status in (
        ("reader/onlineEndpoints/iris", ENDPOINT, 200),
        ("reader/onlineEndpoints/iris", "activity", 403),
        ("reader/onlineEndpoints/rose", ENDPOINT, 403),
        ("scorer", ENDPOINT, 403),
    ):
        assert (await told.client(role).get(path)).status_code == status, (role, path)


async def test_what_dies_all_the_time_fills_no_log(told: ControlPlane) -> None:
    logger = logging.getLogger("ml_endpoints.instances")
    about = {"action": "instance_died", "endpoint": "iris", "deployment": "blue"}
    for _ in range(3 * story_keeping.MOST_A_MINUTE):
        logger.warning("It has died", extra=about)
    found = await activity(told, f"{ENDPOINT}?$top=1000")
    assert len(found) <= 2 * story_keeping.MOST_A_MINUTE
    logger.info("Not told", extra={"action": "certificate_shown", "endpoint": "iris"})
    assert len(await activity(told, f"{ENDPOINT}?$top=1000")) == len(found)
