"""What used a version of an asset, what made it, and what a job ran, read and left behind."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.assets.asset import DATA, DataVersionProperties
from domain.ground.access import trusted
from domain.ground.resource import Conditions
from domain.jobs.records.job_request import JobProperties, RequestedInput
from domain.names import WorkspaceScope
from handlers.control.registry import lineage
from handlers.http import Routes
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage

PREFIX = f"azureml://datastores/{STORE}/paths"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[BatchStage]:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload({"1.txt": "1\n", "2.txt": "2\n"})
        yield stage


@pytest.fixture
def client(stage: BatchStage, routes: Routes, open_client: Any, scope: WorkspaceScope) -> Any:
    client: httpx.AsyncClient = open_client(
        lineage.blueprint(routes, stage.application.lineage), role="owner"
    )
    client.base_url = client.base_url.join(scope.id)
    return client


async def register(stage: BatchStage, name: str, uri: str) -> None:
    wanted = DataVersionProperties(data_uri=uri)
    assets = stage.application.assets.registration
    await assets.put_version(DATA, name, "1", wanted, "me", Conditions())


async def invoke(stage: BatchStage, name: str, uri: str) -> None:
    asked = JobProperties(
        name=name, input_data={"rows": RequestedInput(job_input_type="UriFolder", uri=uri)}
    )
    await stage.invocation.invoke(ENDPOINT, asked, caller=trusted("me"), key=name)


async def of(client: httpx.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every page of it."""
    reply = await client.get(path, params=query)
    assert reply.status_code == 200, reply.text
    found = reply.json()["value"]
    while (more := reply.json().get("nextLink")) is not None:
        reply = await client.get(more)
        found += reply.json()["value"]
    return list(found)


async def test_data_tells_of_the_jobs_that_read_it_by_whatever_name(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    await register(stage, "rows", f"{PREFIX}/data")
    await register(stage, "others", f"{PREFIX}/data")
    await invoke(stage, "by-version", "azureml:rows:1")
    await invoke(stage, "by-label", "azureml:rows@latest")
    await invoke(stage, "by-id", scope.path("data", "Rows", "labels", "latest"))
    await invoke(stage, "by-place", f"{PREFIX}/data")
    found = await of(client, "data/rows/versions/1/lineage")
    assert {each["name"] for each in found} == {"by-version", "by-label", "by-id"}
    [one] = [each for each in found if each["name"] == "by-label"]
    assert (one["relation"], one["kind"], one["endpointName"]) == ("UsedBy", "Job", ENDPOINT)
    assert (one["id"], one["createdBy"]) == (scope.path("jobs", "by-label"), "me")
    data = scope.path("data", "rows", "versions", "1")
    assert one["inputs"]["rows"]["assetId"] == data
    assert await of(client, "data/others/versions/1/lineage") == []
    ran = (await client.get("jobs/by-place/lineage")).json()["properties"]
    assert ran["inputs"]["rows"]["assetId"] is None
    assert ran["inputs"]["rows"]["uri"] == f"{PREFIX}/data"


async def test_code_tells_of_its_deployments_and_of_jobs_that_have_ended(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    await invoke(stage, "first", f"{PREFIX}/data")
    await stage.pump()
    found = await of(client, "codes/code/versions/1/lineage")
    assert [(each["kind"], each["name"], each["state"]) for each in found] == [
        ("BatchDeployment", "blue", "Succeeded"),
        ("Job", "first", "Completed"),
    ]
    assert found[0]["id"] == scope.path("batchEndpoints", ENDPOINT, "deployments", "blue")
    assert await of(client, "codes/code/versions/1/lineage", **{"$top": "1"}) == found


async def test_a_job_tells_what_it_ran_and_what_was_made_of_what_it_wrote(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    await register(stage, "rows", f"{PREFIX}/data")
    await invoke(stage, "maker", "azureml:rows@latest")
    await stage.pump()
    await register(stage, "scores", f"{PREFIX}/azureml/maker/score")
    told = (await client.get("jobs/maker/lineage")).json()["properties"]
    assert told["codeId"] == scope.path("codes", "code", "versions", "1")
    assert told["environmentId"] == scope.path("environments", "env", "versions", "1")
    assert told["modelId"] is None
    assert told["deploymentId"] == scope.path("batchEndpoints", ENDPOINT, "deployments", "blue")
    assert told["inputs"]["rows"]["assetId"] == scope.path("data", "rows", "versions", "1")
    assert told["outputs"]["score"]["uri"].endswith("/azureml/maker/score/predictions.csv")
    assert [each["name"] for each in told["registered"]] == ["scores"]
    [made_by] = await of(client, "data/scores/versions/1/lineage")
    assert (made_by["relation"], made_by["name"]) == ("MadeBy", "maker")


async def test_only_what_the_caller_may_read_is_told(
    stage: BatchStage, routes: Routes, open_client: Any, scope: WorkspaceScope
) -> None:
    await register(stage, "rows", f"{PREFIX}/data")
    await invoke(stage, "secret", "azureml:rows:1")
    path = f"{scope.id}/data/rows/versions/1/lineage"
    blueprint = lineage.blueprint(routes, stage.application.lineage)
    reader = open_client(blueprint, role="reader/data/rows")
    assert await of(reader, path) == []
    of_endpoint = open_client(
        lineage.blueprint(routes, stage.application.lineage),
        role=f"reader/data/rows+reader/batchEndpoints/{ENDPOINT}",
    )
    assert [each["name"] for each in await of(of_endpoint, path)] == ["secret"]


async def test_what_is_not_there_and_a_continuation_of_no_such_list_are_told(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("codes/code/versions/2/lineage")).status_code == 404
    assert (await client.get("jobs/nothing/lineage")).status_code == 404
    for skip in ("", "x", "9.", "-1.", "0", "4.nothing"):
        refused = await client.get("codes/code/versions/1/lineage", params={"$skip": skip})
        assert refused.status_code == 400, skip
