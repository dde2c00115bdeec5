"""Invoking a batch endpoint and following its job, over HTTP."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.names import WorkspaceScope
from domain.ports import UnitMiniBatch, UnitRequest
from handlers.data import batch_jobs, job_door
from handlers.http import Routes
from tests.kit.script_workers import Rows, line_counts
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage

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
        batch_jobs.blueprint(routes, stage.invocation, stage.jobs),
        job_door.blueprint(routes, stage.invocation, stage.jobs, stage.batch.keys),
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
            "filesInPieces": 0,
            "totalPieces": 0,
            "succeededPieces": 0,
            "failedPieces": 0,
            "totalMiniBatches": 2,
            "succeededMiniBatches": 2,
            "failedMiniBatches": 0,
            "remainingMiniBatches": 0,
            "inFlight": 0,
            "rows": 4,
            "miniBatchesPerSecond": None,
            "filesPerSecond": None,
            "estimatedEndTime": None,
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


async def _named(client: httpx.AsyncClient, url: str) -> list[list[str]]:
    """The names on each page of a list."""
    pages: list[list[str]] = []
    while url:
        reply = await client.get(url)
        assert reply.status_code == 200, reply.text
        pages.append([job["name"] for job in reply.json()["value"]])
        url = reply.json().get("nextLink", "")
    return pages


async def test_jobs_are_listed_by_their_status_in_pages(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    def named(name: str) -> dict[str, Any]:
        return {"properties": {**BODY["properties"], "name": name}}

    for name in ("a", "c", "e", "g"):
        await client.post(JOBS, json=named(name))
    await client.post(f"{scope.id}/jobs/c/cancel")
    await stage.pump()
    for name in ("b", "d", "f"):
        await client.post(JOBS, json=named(name))
    for path in ("jobs", f"batchEndpoints/{ENDPOINT}/jobs"):
        listed = f"{scope.id}/{path}"
        assert await _named(client, f"{listed}?status=Completed&$top=2") == [["a", "e"], ["g"]]
        assert await _named(client, f"{listed}?status=notstarted&$top=3") == [["b", "d", "f"]]
        assert await _named(client, f"{listed}?status=Canceled") == [["c"]]
        assert await _named(client, f"{listed}?status=Failed") == [[]]
        assert await _named(client, f"{listed}?$top=4") == [list("abcd"), list("efg")]
    assert await _named(client, f"{scope.id}/batchEndpoints/other/jobs?status=Completed") == [[]]
    page = (await client.get(f"{scope.id}/jobs?status=Completed&$top=2")).json()
    mixed = await client.get(page["nextLink"].replace("Completed", "Canceled"))
    assert mixed.status_code == 400


@pytest.mark.parametrize(
    ("query", "code", "target", "told"),
    [
        ("status=Succeeded", "BadArgument", "status", "'Succeeded' cannot be asked for; status is"),
        ("status=", "BadArgument", "status", "status is one of NotStarted, Preparing, Queued, "),
        ("status=Failed&status=Canceled", "BadArgument", "status", "Several statuses cannot"),
        ("listViewType=Some", "BadArgument", "listViewType", "'Some' is not ActiveOnly, Archived"),
        ("scheduleId=nightly", "NotSupported", "scheduleId", "narrowed by scheduleId"),
    ],
)
async def test_a_list_of_jobs_says_what_it_may_be_narrowed_by(
    client: httpx.AsyncClient,
    scope: WorkspaceScope,
    query: str,
    code: str,
    target: str,
    told: str,
) -> None:
    for path in ("jobs", f"batchEndpoints/{ENDPOINT}/jobs"):
        reply = await client.get(f"{scope.id}/{path}?{query}")
        assert reply.status_code == 400
        error = reply.json()["error"]
        assert (error["code"], error["target"]) == (code, target)
        assert told in error["message"]


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
    blueprint = job_door.blueprint(routes, stage.invocation, stage.jobs, stage.batch.keys)
    client: httpx.AsyncClient = open_client(blueprint, role=role)
    assert (await client.post(JOBS, json=BODY)).status_code == status


async def test_every_override_reaches_the_job(stage: BatchStage, client: httpx.AsyncClient) -> None:
    asked = {
        "compute": {"instanceCount": 3},
        "maxConcurrencyPerInstance": 2,
        "miniBatchSize": 7,
        "retrySettings": {"maxRetries": 1, "timeout": "PT0.5S"},
        "errorThreshold": 4,
        "outputFileName": "p.jsonl",
        "outputFormat": "jsonl",
        "provenanceColumns": False,
        "bisectFailures": False,
        "outputData": {
            "score": {
                "jobOutputType": "UriFolder",
                "uri": f"azureml://datastores/{STORE}/paths/mine",
            }
        },
        "environmentVariables": {"A": "1"},
        "loggingLevel": "debug",
    }
    made = await client.post(JOBS, json={"properties": {**BODY["properties"], **asked}})
    assert made.status_code == 201, made.text
    shown = made.json()["properties"]
    assert shown["outputs"]["score"]["uri"].endswith("/paths/mine/p.jsonl")
    assert shown["settings"]["outputFormat"] == "Jsonl"
    assert shown["settings"]["provenanceColumns"] is False
    assert shown["settings"]["bisectFailures"] is False
    job = (await stage.view(made.json()["name"])).job
    settings = job.settings
    assert (job.workers, settings.mini_batch_size, settings.error_threshold) == (6, 7, 4)
    assert (settings.retry_settings.max_retries, settings.logging_level) == (1, "Debug")
    assert settings.retry_settings.timeout.total_seconds() == 0.5
    assert settings.environment_variables == {"A": "1"}


async def test_an_output_in_the_inbox_or_in_use_is_refused(client: httpx.AsyncClient) -> None:
    def writing(uri: str) -> dict[str, Any]:
        return {"properties": {**BODY["properties"], "outputData": {"score": {"uri": uri}}}}

    inbox = await client.post(JOBS, json=writing("azureml://datastores/batchinbox/paths/x.csv"))
    assert inbox.status_code == 400
    assert "taken for new input" in inbox.text
    mine = writing(f"azureml://datastores/{STORE}/paths/mine/x.csv")
    assert (await client.post(JOBS, json=mine)).status_code == 201
    taken = await client.post(JOBS, json=mine)
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "OutputInUse")
    there = writing(f"azureml://datastores/{STORE}/paths/data/0.txt")
    assert (await client.post(JOBS, json=there)).status_code == 409


@pytest.fixture
async def half_failed(stage: BatchStage) -> str:
    """A job of which one mini-batch of two failed, whichever of its files is bad."""

    def fails_on_zero(
        request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        if "0.txt" in files:
            raise ValueError("no")
        return line_counts(request, mini_batch, files)

    stage.workers.script = fails_on_zero
    job = await stage.invoke(bisect_failures=False)
    await stage.pump()
    stage.workers.script = line_counts
    return job


async def test_failed_files_are_retried_over_http(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope, half_failed: str
) -> None:
    url, key = f"{scope.id}/jobs/{half_failed}/retryFailed", {"Idempotency-Key": "k"}
    made = await client.post(url, headers=key)
    assert made.status_code == 201, made.text
    again = await client.post(url, headers=key)
    assert (again.status_code, again.json()["name"]) == (200, made.json()["name"])
    name = made.json()["name"]
    await stage.pump()
    shown = (await client.get(made.headers["location"])).json()["properties"]
    assert shown["status"] == "Completed"
    assert shown["retryOf"] == half_failed
    assert shown["progress"]["totalFiles"] == 2
    assert shown["outputs"]["score"]["uri"].endswith(f"/azureml/{name}/score/predictions.csv")
    assert shown["outputs"]["retried"]["uri"].endswith(f"/azureml/{name}/retried/predictions.csv")
    rows = stage.output(await stage.view(name), f"azureml/{name}/score/predictions.csv")
    assert [line.split(",")[0] for line in rows.decode().splitlines()[1:]] == list(FILES)
    over = await client.post(f"{scope.id}/jobs/{name}/retryFailed")
    assert (over.status_code, over.json()["error"]["code"]) == (409, "NothingToRetry")
    missing = await client.post(f"{scope.id}/jobs/none/retryFailed")
    assert missing.status_code == 404


async def test_a_retry_is_invoked_on_the_data_plane_with_settings_of_its_own(
    stage: BatchStage, client: httpx.AsyncClient, half_failed: str
) -> None:
    asked = {"retryOf": half_failed, "miniBatchSize": 1, "name": "again"}
    made = await client.post(JOBS, json={"properties": asked})
    assert made.status_code == 201, made.text
    assert made.json()["name"] == "again"
    await stage.pump()
    shown = (await client.get(f"{JOBS}/again")).json()["properties"]
    assert (shown["status"], shown["progress"]["totalMiniBatches"]) == ("Completed", 2)
    other = await client.post("endpoints/other/jobs", json={"properties": asked})
    assert other.status_code == 404
    both = {**asked, **BODY["properties"], "name": "third"}
    refused = await client.post(JOBS, json={"properties": both})
    assert refused.status_code == 400
    assert "properties.inputData" in refused.text


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("reader", 403), ("contributor", 201)])
async def test_who_may_retry(
    stage: BatchStage,
    routes: Routes,
    open_client: Any,
    scope: WorkspaceScope,
    half_failed: str,
    role: str | None,
    status: int,
) -> None:
    blueprint = batch_jobs.blueprint(routes, stage.invocation, stage.jobs)
    client: httpx.AsyncClient = open_client(blueprint, role=role)
    answer = await client.post(f"{scope.id}/jobs/{half_failed}/retryFailed")
    assert answer.status_code == status


async def test_a_running_job_tells_its_pace(stage: BatchStage, client: httpx.AsyncClient) -> None:
    one = {**BODY["properties"], "miniBatchSize": 1}
    name = (await client.post(JOBS, json={"properties": one})).json()["name"]
    held: list[str] = []

    def slow(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        stage.clock.time += 10
        held.extend(files)
        return line_counts(request, mini_batch, files)

    stage.workers.script = slow
    await stage.pump(lambda: len(held) == 2)
    progress = (await client.get(f"{JOBS}/{name}")).json()["properties"]["progress"]
    assert 0 < progress["miniBatchesPerSecond"] == progress["filesPerSecond"] <= 0.1
    assert progress["estimatedEndTime"] > stage.clock.now().isoformat()
    await stage.pump()
    overview = stage.folder / "blobs" / STORE / f"azureml/{name}/logs/job_progress_overview.txt"
    assert "mini-batches       4: 4 succeeded" in overview.read_text()
