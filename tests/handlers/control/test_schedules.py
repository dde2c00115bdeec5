"""Schedules as the official SDK makes them: of a job that is there."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.names import WorkspaceScope
from handlers.control import schedules
from handlers.http import Routes
from tests.kit.stages.batch_stage import ENDPOINT, BatchStage

TRIGGER = {"triggerType": "Cron", "expression": "0 3 * * *"}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[BatchStage]:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload({"a.txt": "1\n"})
        yield stage


@pytest.fixture
def client(
    stage: BatchStage, routes: Routes, open_client: Any, scope: WorkspaceScope
) -> httpx.AsyncClient:
    blueprint = schedules.blueprint(routes, stage.application.schedules, stage.jobs)
    client: httpx.AsyncClient = open_client(blueprint)
    client.base_url = client.base_url.join(scope.id)
    return client


def of_job(source: str | None) -> dict[str, Any]:
    """That never comes due by itself."""
    definition: dict[str, Any] = {
        "jobType": "Pipeline",
        "sourceJobId": source,
        "inputs": {},
        "settings": {},
    }
    action = {"actionType": "CreateJob", "jobDefinition": definition}
    return {"properties": {"trigger": TRIGGER, "action": action, "isEnabled": False}}


async def test_a_schedule_of_a_job_invokes_as_the_job_was_invoked(
    stage: BatchStage, client: httpx.AsyncClient
) -> None:
    name = await stage.invoke(mini_batch_size=7, tags={"a": "1"})
    source = stage.jobs.arm_id(name)
    made = await client.put("schedules/nightly", json=of_job(source))
    assert made.status_code == 201, made.text
    action = made.json()["properties"]["action"]
    assert action["actionType"] == "CreateJob"
    assert action["jobDefinition"]["sourceJobId"] == source
    invoked = action["endpointInvocationDefinition"]
    assert invoked["endpointName"] == ENDPOINT
    assert invoked["properties"]["miniBatchSize"] == 7
    [read] = invoked["properties"]["inputData"].values()
    assert read["uri"].endswith("/paths/data")
    again = await client.put("schedules/nightly", json=made.json())
    assert again.status_code == 200, again.text
    assert again.json()["properties"]["action"] == action


async def test_a_schedule_is_done_at_once_when_asked(
    stage: BatchStage, client: httpx.AsyncClient
) -> None:
    name = await stage.invoke()
    await client.put("schedules/nightly", json=of_job(name))
    told = (await client.post("schedules/nightly/trigger", json={})).json()
    await stage.pump()
    first, done = (await stage.view(name)).job, (await stage.view(told["submissionId"])).job
    assert done.inputs == first.inputs
    assert done.output != first.output
    assert done.properties["ml_endpoints.schedule"] == "nightly"
    assert (await client.post("schedules/nobody/trigger")).status_code == 404


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (None, "client.jobs.get"),
        ("nobody", "Job 'nobody' was not found"),
        ("/subscriptions/other/jobs/x", "no job of this workspace"),
    ],
)
async def test_a_schedule_of_no_job_is_refused(
    client: httpx.AsyncClient, source: str | None, why: str
) -> None:
    refused = (await client.put("schedules/nightly", json=of_job(source))).json()["error"]
    assert refused["target"] == "properties.action.jobDefinition.sourceJobId"
    assert why in refused["message"]


async def test_who_may_not_invoke_triggers_nothing(
    stage: BatchStage, routes: Routes, open_client: Any, client: httpx.AsyncClient
) -> None:
    await client.put("schedules/nightly", json=of_job(await stage.invoke()))
    blueprint = schedules.blueprint(routes, stage.application.schedules, stage.jobs)
    reader: httpx.AsyncClient = open_client(blueprint, role="reader")
    reader.base_url = client.base_url
    assert (await reader.post("schedules/nightly/trigger")).status_code == 403
