"""What gathers in the inbox, through the door."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.data import drops
from handlers.http import Routes
from infra.settings.features import DropSettings
from tests.domain.drops.dropping import INBOX, drop
from tests.kit.stages.batch_stage import ENDPOINT, BatchStage

DROP = f"batchEndpoints/{ENDPOINT}/drop"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[BatchStage]:
    async with BatchStage(tmp_path, drops=DropSettings(quiet_period=60)) as stage:
        await stage.deploy()
        yield stage


@pytest.fixture
def clients(stage: BatchStage, routes: Routes, open_client: Any) -> Any:
    def client(role: str = "owner") -> httpx.AsyncClient:
        blueprint = drops.blueprint(routes, stage.application.drops.open)
        made: httpx.AsyncClient = open_client(blueprint, role=role)
        made.base_url = made.base_url.join(routes.scope.id)
        return made

    return client


@pytest.fixture
def client(clients: Any) -> httpx.AsyncClient:
    made: httpx.AsyncClient = clients()
    return made


async def told(client: httpx.AsyncClient, path: str = DROP) -> dict[str, Any]:
    reply = await client.get(path)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()["properties"]
    return found


async def test_what_has_come_is_counted_and_its_job_is_named_before_it_begins(
    stage: BatchStage, client: httpx.AsyncClient
) -> None:
    assert (await told(client))["state"] == "Idle"
    assert (await client.get("drops")).json()["value"] == []
    await drop(stage, "a.txt", "deep/b.txt")
    found = await told(client)
    assert (found["state"], found["files"], found["bytes"]) == ("Gathering", 2, 4)
    assert (found["deploymentName"], found["isComplete"]) == ("blue", True)
    assert found["firstArrivalAt"] <= found["lastArrivalAt"] < found["sealsAt"]
    [listed] = (await client.get("drops")).json()["value"]
    assert listed["properties"] == found
    page = (await client.get(f"{DROP}/files?$top=1")).json()
    rest = (await client.get(page["nextLink"])).json()
    names = {each["name"] for each in [*page["value"], *rest["value"]]}
    assert names == {f"{ENDPOINT}/a.txt", f"{ENDPOINT}/deep/b.txt"}
    await stage.pump()
    job = await stage.jobs.get(found["jobName"])
    assert job.job.deployment == "blue"
    assert (await told(client))["jobName"] is None
    assert (await client.get(f"{DROP}/files")).json()["value"] == []


async def test_what_a_drop_waits_for_is_said(stage: BatchStage, client: httpx.AsyncClient) -> None:
    await stage.blobs.write(INBOX, f"{ENDPOINT}/_endpoint.yaml", b"deployment: nowhere\n")
    await drop(stage, "a.txt")
    begun = stage.clock.time
    await stage.pump(until=lambda: stage.clock.time > begun + 120)
    found = await told(client)
    assert "nowhere" in found["waitingFor"]
    assert found["deploymentName"] == "nowhere"


async def test_who_may_read_one_endpoint_sees_its_drop_alone(
    stage: BatchStage, clients: Any
) -> None:
    await drop(stage, "a.txt")
    for role, seen in (
        (f"reader/batchEndpoints/{ENDPOINT}", [ENDPOINT]),
        ("reader/batchEndpoints/other", []),
        ("reader", [ENDPOINT]),
    ):
        listed = (await clients(role).get("drops")).json()["value"]
        assert [each["name"] for each in listed] == seen
    assert (await clients("reader/batchEndpoints/other").get(DROP)).status_code == 403


@pytest.mark.parametrize("name", ["nowhere", "x" * 300, "%20", ".."])
async def test_an_endpoint_that_is_not_there_has_none(client: httpx.AsyncClient, name: str) -> None:
    for path in ("drop", "drop/files"):
        assert (await client.get(f"batchEndpoints/{name}/{path}")).status_code in (400, 404)
