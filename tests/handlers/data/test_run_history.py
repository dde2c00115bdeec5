"""Jobs where the official SDK looks for them beside the control plane."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.errors import Unauthenticated
from domain.jobs.job_logs import STREAMED, JobLogs
from domain.names import WorkspaceScope
from domain.ports import Principal, TokenVerifier
from handlers.data import batch_jobs, compute_nodes, job_door, run_history
from handlers.http import Routes
from tests.kit.clocks import HeldClock
from tests.kit.composed import admission
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage
from tests.simulation.stores.memory_resource_store import MemoryResourceStore


class NoTokens(TokenVerifier):
    """Knows nobody."""

    async def verify(self, token: str) -> Principal:
        raise Unauthenticated("The token is for another audience.")


FILES = {f"{i}.txt": f"{i}\n" for i in range(4)}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[BatchStage]:
    async with BatchStage(tmp_path, at_once=1) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        yield stage


@pytest.fixture
def client(stage: BatchStage, routes: Routes, open_client: Any) -> httpx.AsyncClient:
    logs = JobLogs(stage.jobs, stage.blobs)
    client: httpx.AsyncClient = open_client(
        batch_jobs.blueprint(routes, stage.invocation, stage.jobs),
        run_history.blueprint(routes, stage.jobs, logs),
        compute_nodes.blueprint(routes, stage.batch.computes, stage.jobs),
    )
    return client


@pytest.fixture
def runs(scope: WorkspaceScope) -> str:
    return f"history/v1.0{scope.id}"


async def test_a_run_tells_how_far_its_job_is_and_where_its_logs_are(
    stage: BatchStage, client: httpx.AsyncClient, runs: str
) -> None:
    name = await stage.invoke()
    url = f"{runs}/runs/{name}/details?api-version=v1.0"
    before = (await client.get(url)).json()
    assert (before["status"], before["logFiles"]) == ("NotStarted", {})
    await stage.pump()
    after = (await client.get(url)).json()
    assert (after["runId"], after["status"], after["error"]) == (name, "Completed", None)
    assert STREAMED in after["logFiles"]
    assert (await client.get(f"{runs}/runs/{name}")).json()["status"] == "Completed"
    assert (await client.get(f"{runs}/runs/nobody/details")).status_code == 404


async def test_a_run_that_failed_says_why(
    stage: BatchStage, client: httpx.AsyncClient, runs: str
) -> None:
    name = await stage.invoke("nothing-there")
    await stage.pump()
    told = (await client.get(f"{runs}/runs/{name}/details")).json()
    assert told["status"] == "Failed"
    job = (await stage.view(name)).job
    assert job.error is not None
    assert told["error"]["error"]["message"] == job.error.message


async def test_outputs_are_found_by_what_a_run_tells(
    stage: BatchStage, client: httpx.AsyncClient, runs: str, scope: WorkspaceScope
) -> None:
    name = await stage.invoke()
    [child] = (await client.get(f"{runs}/runs/{name}/children")).json()["value"]
    asked = {"runId": child["runId"], "selectRunMetadata": True}
    run = (await client.post(f"{runs}/rundata", json=asked)).json()["runMetadata"]
    ids = {output: told["assetId"] for output, told in run["outputs"].items()}
    assert run["outputs"]["score"]["type"] == "uri_file"
    found = (
        await client.post(
            f"data/v1.0{scope.id}/dataversion/batchGetResolvedUris",
            json={"values": [*ids.values()]},
        )
    ).json()["values"]
    job = (await stage.view(name)).job
    assert found[ids["score"]]["uri"].endswith(f"{STORE}/paths/{job.results.path}")
    assert found[ids["default"]]["uri"].endswith(f"{STORE}/paths/{job.logs_folder}")


@pytest.mark.parametrize("path", ["runs/{}", "experiments/mine/runs/{}"])
async def test_a_run_is_changed_and_hidden(
    stage: BatchStage, client: httpx.AsyncClient, runs: str, scope: WorkspaceScope, path: str
) -> None:
    name = await stage.invoke()
    changed = await client.patch(
        f"{runs}/{path.format(name)}", json={"displayName": "shown", "tags": {"a": "1"}}
    )
    assert (changed.json()["displayName"], changed.json()["tags"]) == ("shown", {"a": "1"})
    await client.patch(f"{runs}/{path.format(name)}", json={"hidden": True})
    assert (await client.get(f"{scope.id}/jobs")).json()["value"] == []
    archived = await client.get(f"{scope.id}/jobs?listViewType=ArchivedOnly")
    assert [each["name"] for each in archived.json()["value"]] == [name]


async def test_a_job_that_was_read_is_put_back_with_changes(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    name = await stage.invoke()
    body = (await client.get(f"{scope.id}/jobs/{name}")).json()
    body["properties"]["tags"] = {"a": "1"}
    body["properties"]["isArchived"] = True
    put = await client.put(f"{scope.id}/jobs/{name}", json=body)
    assert put.status_code == 200, put.text
    assert put.json()["properties"]["tags"] == {"a": "1"}
    assert put.json()["properties"]["isArchived"] is True


@pytest.mark.parametrize(
    "said",
    [{"displayName": 5000 * "x"}, {"tags": {"a": 300 * "x"}}, {"properties": {"": "unnamed"}}],
    ids=["name", "tag", "property"],
)
async def test_more_than_a_job_may_say_of_itself_is_refused(
    stage: BatchStage,
    client: httpx.AsyncClient,
    runs: str,
    scope: WorkspaceScope,
    said: dict[str, Any],
) -> None:
    name = await stage.invoke()
    put = await client.put(f"{scope.id}/jobs/{name}", json={"properties": said})
    patch = await client.patch(f"{runs}/runs/{name}", json=said)
    assert [put.status_code, patch.status_code] == [400, 400]
    for answer in (put, patch):
        assert answer.json()["error"]["target"].partition(".")[0] in said


async def test_a_job_that_nobody_invoked_cannot_be_put(
    client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    put = await client.put(f"{scope.id}/jobs/new", json={"properties": {"jobType": "Command"}})
    assert put.status_code == 400
    assert "invoke a batch endpoint" in put.json()["error"]["message"]


async def test_jobs_of_a_deployment_are_listed_where_the_sdk_asks(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    name = await stage.invoke()
    below = f"{scope.id}/batchEndpoints/{ENDPOINT}/deployments"
    for base in ("", "mferp/managementfrontend"):
        for deployment, found in (("blue", [name]), ("green", [])):
            listed = (await client.get(f"{base}{below}/{deployment}/jobs")).json()["value"]
            assert [each["name"] for each in listed] == found


async def test_nodes_are_those_that_jobs_have(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    nodes = f"{scope.id}/computes/local/listNodes"
    assert (await client.post(nodes)).json() == {"nodes": []}
    name = await stage.invoke()
    await stage.pump(lambda: len(stage.started) == 1)
    [node] = (await client.post(nodes)).json()["nodes"]
    assert (node["runId"], node["nodeState"]) == (name, "running")
    assert (await client.post(f"{scope.id}/computes/nobody/listNodes")).status_code == 404


async def test_who_may_only_read_changes_nothing(
    stage: BatchStage, routes: Routes, open_client: Any, runs: str
) -> None:
    name = await stage.invoke()
    blueprint = run_history.blueprint(routes, stage.jobs, JobLogs(stage.jobs, stage.blobs))
    client: httpx.AsyncClient = open_client(blueprint, role="reader")
    assert (await client.get(f"{runs}/runs/{name}")).status_code == 200
    assert (await client.patch(f"{runs}/runs/{name}", json={"hidden": True})).status_code == 403


async def test_the_data_planes_own_tokens_open_what_is_of_it(
    stage: BatchStage, routes: Routes, open_client: Any, scope: WorkspaceScope
) -> None:
    """Where the control plane takes none of them."""
    nobody = admission(NoTokens(), MemoryResourceStore(HeldClock().unix))
    closed = Routes(nobody, routes.data_admission, routes.scope, routes.addresses)
    client: httpx.AsyncClient = open_client(
        batch_jobs.blueprint(closed, stage.invocation, stage.jobs),
        job_door.blueprint(closed, stage.invocation, stage.jobs, stage.batch.keys),
    )
    listed = f"{scope.id}/batchEndpoints/{ENDPOINT}/jobs"
    assert (await client.get(f"endpoints/{ENDPOINT}/jobs")).status_code == 200
    assert (await client.get(f"mferp/managementfrontend{listed}")).status_code == 200
    assert (await client.get(listed)).status_code == 401
