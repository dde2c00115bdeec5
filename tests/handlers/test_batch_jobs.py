"""Invoking a batch endpoint and following its job, over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.names import WorkspaceScope
from handlers import batch_jobs
from handlers.http import Routes
from tests.batch_stage import ENDPOINT, STORE, BatchStage

FILES = {f"{i}.txt": f"{i}\n" for i in range(4)}
URI = f"azureml://datastores/{STORE}/paths/data"
BODY: dict[str, Any] = {
    "properties": {"InputData": {"any": {"JobInputType": "UriFolder", "Uri": URI}}}
}
JOBS = f"endpoints/{ENDPOINT}/jobs"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[BatchStage]:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=2)
        await stage.upload(FILES)
        yield stage


@pytest.fixture
def client(stage: BatchStage, routes: Routes, open_client: Any) -> httpx.AsyncClient:
    client: httpx.AsyncClient = open_client(
        batch_jobs.blueprint(routes, stage.invocation, stage.jobs)
    )
    return client


async def test_a_job_is_invoked_followed_and_listed(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    made = await client.post(JOBS, json=BODY)
    assert made.status_code == 201, made.text
    job = made.json()
    assert job["id"] == f"{scope.id}/jobs/{job['name']}"
    assert job["type"] == "Microsoft.MachineLearningServices/workspaces/jobs"
    assert job["properties"]["status"] == "NotStarted"
    assert job["properties"]["interactionEndpoints"]["Studio"]["endpoint"].endswith(job["id"])
    await stage.pump()
    for url in (made.headers["location"], f"{JOBS}/{job['name']}", job["id"]):
        shown = await client.get(url)
        assert shown.status_code == 200
        properties = shown.json()["properties"]
        assert properties["status"] == "Completed"
        assert properties["progress"] == {
            "totalFiles": 4,
            "succeededFiles": 4,
            "failedFiles": 0,
            "totalMiniBatches": 2,
            "succeededMiniBatches": 2,
            "failedMiniBatches": 0,
            "remainingMiniBatches": 0,
            "inFlight": 0,
            "rows": 4,
        }
        score = properties["outputs"]["score"]
        assert score["uri"].endswith(f"/paths/azureml/{job['name']}/score/predictions.csv")
        assert score["isComplete"]
    for path in ("jobs", f"batchEndpoints/{ENDPOINT}/jobs"):
        listed = (await client.get(f"{scope.id}/{path}")).json()["value"]
        assert [j["name"] for j in listed] == [job["name"]]


async def test_pages_are_linked(client: httpx.AsyncClient, scope: WorkspaceScope) -> None:
    for _ in range(3):
        await client.post(JOBS, json=BODY)
    page = (await client.get(f"{scope.id}/jobs?$top=2")).json()
    assert len(page["value"]) == 2
    assert len((await client.get(page["nextLink"])).json()["value"]) == 1


async def test_overrides_are_read_in_any_case(client: httpx.AsyncClient) -> None:
    body = {
        "properties": {
            **BODY["properties"],
            "compute": {"instanceCount": 4},
            "miniBatchSize": 5,
            "ERRORTHRESHOLD": 0,
            "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
            "outputFileName": "p.csv",
            "properties": {"experimentName": "spring"},
        }
    }
    made = await client.post(JOBS, json=body)
    assert made.status_code == 201, made.text
    properties = made.json()["properties"]
    assert properties["experimentName"] == "spring"
    assert properties["settings"]["miniBatchSize"] == 5
    assert properties["settings"]["errorThreshold"] == 0
    assert properties["settings"]["resources"]["instanceCount"] == 4
    assert properties["settings"]["retrySettings"] == {"maxRetries": 3, "timeout": "PT30S"}
    assert properties["outputs"]["score"]["uri"].endswith("/p.csv")


@pytest.mark.parametrize("header", ["Idempotency-Key", "repeatability_request-id"])
async def test_a_repeated_request_gets_the_same_job(client: httpx.AsyncClient, header: str) -> None:
    first = await client.post(JOBS, json=BODY, headers={header: "k"})
    second = await client.post(JOBS, json=BODY, headers={header: "k"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["name"] == second.json()["name"]
    other = {"properties": {**BODY["properties"], "miniBatchSize": 1}}
    refused = await client.post(JOBS, json=other, headers={header: "k"})
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "IdempotencyKeyReused"


async def test_two_different_keys_at_once_are_refused(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "a", "repeatability_request-id": "b"}
    assert (await client.post(JOBS, json=BODY, headers=headers)).status_code == 400


async def test_a_deployment_is_named_by_header(client: httpx.AsyncClient) -> None:
    headers = {"azureml-model-deployment": "green"}
    refused = await client.post(JOBS, json=BODY, headers=headers)
    assert refused.status_code == 404
    assert "green" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({}, "properties"),
        ({"properties": {"miniBatchSize": 0}}, "properties.miniBatchSize"),
        ({"properties": {"minibatchsise": 1}}, "properties.minibatchsise"),
        ({"properties": {"partitionKeys": ["a"]}}, "properties.partitionKeys"),
        (
            {"properties": {"retrySettings": {"timeout": "soon"}}},
            "properties.retrySettings.timeout",
        ),
    ],
)
async def test_a_wrong_body_is_refused_with_its_place(
    client: httpx.AsyncClient, body: dict[str, Any], target: str
) -> None:
    refused = await client.post(JOBS, json=body)
    assert refused.status_code == 400
    assert target in {d["target"] for d in refused.json()["error"]["details"]}, refused.text


async def test_a_job_is_canceled_over_http(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    name = (await client.post(JOBS, json=BODY)).json()["name"]
    canceled = await client.post(f"{scope.id}/jobs/{name}/cancel")
    assert canceled.status_code == 202
    assert "/mfeOperationResults/" in canceled.headers["location"]
    assert (await client.delete(f"{scope.id}/jobs/{name}")).status_code == 409
    await stage.pump()
    shown = (await client.get(f"{JOBS}/{name}")).json()
    assert shown["properties"]["status"] == "Canceled"
    assert (await client.post(f"{scope.id}/jobs/{name}/cancel")).status_code == 409
    assert (await client.delete(f"{scope.id}/jobs/{name}")).status_code == 200
    assert (await client.delete(f"{scope.id}/jobs/{name}")).status_code == 204
    assert (await client.get(f"{JOBS}/{name}")).status_code == 404


async def test_a_job_is_not_shown_under_another_endpoint(client: httpx.AsyncClient) -> None:
    name = (await client.post(JOBS, json=BODY)).json()["name"]
    assert (await client.get(f"endpoints/other/jobs/{name}")).status_code == 404


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("reader", 403), ("contributor", 201)])
async def test_who_may_invoke(
    stage: BatchStage, routes: Routes, open_client: Any, role: str | None, status: int
) -> None:
    blueprint = batch_jobs.blueprint(routes, stage.invocation, stage.jobs)
    client: httpx.AsyncClient = open_client(blueprint, role=role)
    assert (await client.post(JOBS, json=BODY)).status_code == status
