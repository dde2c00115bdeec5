"""Keys of a batch endpoint: what they open, and what they do not."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.names import WorkspaceScope
from handlers.control import batch_endpoints
from handlers.data import batch_jobs, job_door
from handlers.http import Routes
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage

URI = f"azureml://datastores/{STORE}/paths/data"
DATA: dict[str, Any] = {"any": {"jobInputType": "UriFolder", "uri": URI}}
BODY: dict[str, Any] = {"properties": {"inputData": DATA}}
JOBS = f"endpoints/{ENDPOINT}/jobs"
CHOSEN = {"primaryKey": "the-first-of-two-keys", "secondaryKey": "the-other-of-two-keys"}

Holder = Callable[[str], httpx.AsyncClient]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[BatchStage]:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload({"a.txt": "1\n"})
        yield stage


@pytest.fixture
def holder(stage: BatchStage, routes: Routes, open_client: Any) -> Holder:
    """The door, for whoever has a credential."""
    client: httpx.AsyncClient = open_client(
        batch_jobs.blueprint(routes, stage.invocation, stage.jobs),
        job_door.blueprint(routes, stage.invocation, stage.jobs, stage.batch.keys),
        batch_endpoints.blueprint(routes, stage.batch),
    )

    def of(credential: str) -> httpx.AsyncClient:
        client.headers["authorization"] = f"Bearer {credential}"
        return client

    return of


@pytest.fixture
async def keys(stage: BatchStage, holder: Holder, scope: WorkspaceScope) -> dict[str, str]:
    """Those of the endpoint, which takes keys now."""
    await mode(stage, holder, scope, "Key")
    told = await holder("owner").post(scope.path("batchEndpoints", ENDPOINT, "listKeys"))
    assert told.status_code == 200, told.text
    found: dict[str, str] = told.json()
    return found


async def mode(stage: BatchStage, holder: Holder, scope: WorkspaceScope, name: str) -> None:
    item = scope.path("batchEndpoints", ENDPOINT)
    changed = await holder("owner").patch(item, json={"properties": {"authMode": name}})
    assert changed.status_code == 202, changed.text
    await stage.pump()


async def test_a_key_invokes_reads_lists_and_cancels(
    stage: BatchStage, holder: Holder, keys: dict[str, str], scope: WorkspaceScope
) -> None:
    assert set(keys) == {"primaryKey", "secondaryKey"}
    door = holder(keys["secondaryKey"])
    made = await door.post(JOBS, json=BODY)
    assert made.status_code == 201, made.text
    job = made.json()
    assert job["systemData"]["createdBy"] == "key:secondary"
    assert made.headers["location"].endswith(f"/{JOBS}/{job['name']}")
    assert (await door.get(f"{JOBS}/{job['name']}")).json()["name"] == job["name"]
    assert [each["name"] for each in (await door.get(JOBS)).json()["value"]] == [job["name"]]
    canceled = await door.post(f"{JOBS}/{job['name']}/cancel")
    assert canceled.status_code == 202
    assert canceled.headers["location"] == made.headers["location"]
    await stage.pump()
    read = await door.get(canceled.headers["location"])
    assert read.json()["properties"]["status"] == "Canceled"


async def test_a_key_opens_nothing_else(
    stage: BatchStage, holder: Holder, keys: dict[str, str], scope: WorkspaceScope
) -> None:
    owner = holder("owner")
    other = {"properties": {"authMode": "Key"}}
    made = await owner.put(scope.path("batchEndpoints", "other"), json=other)
    assert made.status_code == 201
    job = (await owner.post(JOBS, json=BODY)).json()["name"]
    assert (await owner.get(f"endpoints/other/jobs/{job}")).status_code == 404
    door = holder(keys["primaryKey"])
    item = scope.path("batchEndpoints", ENDPOINT)
    for method, path in (
        ("POST", "endpoints/other/jobs"),
        ("GET", "endpoints/other/jobs"),
        ("GET", f"endpoints/other/jobs/{job}"),
        ("POST", f"endpoints/other/jobs/{job}/cancel"),
        ("POST", "endpoints/nowhere/jobs"),
        ("GET", scope.path("jobs")),
        ("GET", scope.path("jobs", job)),
        ("POST", scope.path("jobs", job, "cancel")),
        ("DELETE", scope.path("jobs", job)),
        ("GET", f"{item}/jobs"),
        ("GET", item),
        ("PATCH", item),
        ("POST", f"{item}/listKeys"),
        ("POST", f"{item}/regenerateKeys"),
    ):
        reply = await door.request(method, path, json=BODY)
        assert reply.status_code == 401, (method, path, reply.text)


async def test_a_key_names_data_and_not_where_results_go(
    holder: Holder, keys: dict[str, str]
) -> None:
    output = {"score": {"jobOutputType": "UriFile", "uri": f"{URI}/mine.csv"}}
    asked = {"properties": {"inputData": DATA, "outputData": output}}
    reply = await holder(keys["primaryKey"]).post(JOBS, json=asked)
    assert reply.status_code == 403
    assert reply.json()["error"]["target"] == "properties.outputData.score.uri"


async def test_a_replaced_key_is_refused_and_the_other_goes_on(
    stage: BatchStage, holder: Holder, keys: dict[str, str], scope: WorkspaceScope
) -> None:
    item = scope.path("batchEndpoints", ENDPOINT)
    asked = {"keyType": "Primary"}
    assert (await holder("owner").post(f"{item}/regenerateKeys", json=asked)).status_code == 202
    assert (await holder(keys["primaryKey"]).get(JOBS)).status_code == 401
    assert (await holder(keys["secondaryKey"]).get(JOBS)).status_code == 200
    await stage.pump()
    new = (await holder("owner").post(f"{item}/listKeys")).json()
    assert new["secondaryKey"] == keys["secondaryKey"]
    assert (await holder(new["primaryKey"]).get(JOBS)).status_code == 200


async def test_tokens_go_on_beside_keys_and_keys_end_with_their_mode(
    stage: BatchStage, holder: Holder, keys: dict[str, str], scope: WorkspaceScope
) -> None:
    assert (await holder("owner").get(JOBS)).status_code == 200
    assert (await holder("scorer").get(JOBS)).status_code == 403
    await mode(stage, holder, scope, "AADToken")
    assert (await holder(keys["primaryKey"]).get(JOBS)).status_code == 401
    item = scope.path("batchEndpoints", ENDPOINT)
    refused = await holder("owner").post(f"{item}/listKeys")
    assert (refused.status_code, "authMode" in refused.text) == (400, True)
    await mode(stage, holder, scope, "Key")
    assert (await holder(keys["primaryKey"]).get(JOBS)).status_code == 401


async def test_keys_may_be_brought_when_an_endpoint_is_made(
    holder: Holder, scope: WorkspaceScope
) -> None:
    owner, item = holder("owner"), scope.path("batchEndpoints", "brought")
    made = await owner.put(item, json={"properties": {"authMode": "Key", "keys": CHOSEN}})
    assert (made.status_code, made.json()["properties"]["keys"]) == (201, None)
    assert CHOSEN["primaryKey"] not in made.text
    assert (await owner.post(f"{item}/listKeys")).json() == CHOSEN
    refused = await owner.put(item, json={"properties": {"authMode": "AADToken", "keys": CHOSEN}})
    assert refused.json()["error"]["target"] == "properties.keys"
