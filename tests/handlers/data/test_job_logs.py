"""What the workers of a job print, through the door."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.names import WorkspaceScope
from domain.ports import LogKind, Observation, WorkloadState
from handlers.data import job_logs
from handlers.http import Routes
from tests.kit.stages.batch_stage import BatchStage


def line(second: int, worker: str, text: str) -> str:
    return f"2026-01-02T10:00:{second:02}.000Z {worker} - {text}"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[BatchStage]:
    async with BatchStage(tmp_path, at_once=1) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload({f"{i}.txt": f"{i}\n" for i in range(3)})
        yield stage


@pytest.fixture
def client(stage: BatchStage, routes: Routes, open_client: Any) -> httpx.AsyncClient:
    client: httpx.AsyncClient = open_client(
        job_logs.blueprint(routes, stage.application.jobs.worker_logs)
    )
    return client


@pytest.fixture
async def job(stage: BatchStage, scope: WorkspaceScope) -> str:
    name = await stage.invoke()
    await stage.pump(lambda: len(stage.started) == 1)
    return f"{scope.id}/jobs/{name}"


async def read(client: httpx.AsyncClient, job: str, **asked: Any) -> dict[str, Any]:
    reply = await client.post(f"{job}/getLogs", json={"tail": 100, **asked})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_a_job_is_read_on_from_a_cursor_and_by_worker_level_and_text(
    stage: BatchStage, client: httpx.AsyncClient, job: str
) -> None:
    printed = [line(1, "w-0", "INFO begun"), line(2, "w-1", "ERROR no such column")]
    stage.workers.printed[LogKind.INFERENCE_SERVER] = "\n".join(printed)
    first = await read(client, job, since="2026-01-02T10:00:00Z")
    assert [each["instance"] for each in first["lines"]] == ["w-0", "w-1"]
    printed.append(line(3, "w-0", "INFO done"))
    stage.workers.printed[LogKind.INFERENCE_SERVER] = "\n".join(printed)
    more = await read(client, job, cursor=first["cursor"])
    assert [each["message"] for each in more["lines"]] == ["INFO done"]
    for asked, messages in (
        ({"level": "Error"}, ["ERROR no such column"]),
        ({"instance": "w-1"}, ["ERROR no such column"]),
        ({"contains": "DONE"}, ["INFO done"]),
        ({"since": "2026-01-02T10:00:03Z"}, ["INFO done"]),
    ):
        found = await read(client, job, **asked)
        assert [each["message"] for each in found["lines"]] == messages, asked


async def test_what_was_printed_is_kept_when_the_workers_are_gone_and_the_cursor_goes_on(
    stage: BatchStage, client: httpx.AsyncClient, job: str
) -> None:
    stage.workers.printed[LogKind.INFERENCE_SERVER] = line(1, "w-0", "begun")
    first = await read(client, job, level="Debug")
    stage.workers.printed[LogKind.INFERENCE_SERVER] += "\n" + line(2, "w-0", "ended")
    await stage.pump()
    assert not [key for key in await stage.workers.keys() if key.startswith("batch/")]
    rest = await read(client, job, cursor=first["cursor"])
    assert [each["message"] for each in rest["lines"]] == ["ended"]
    # As Azure ML's clients ask, who know of no cursor.
    plain = await client.post(f"{job}/getLogs", json={"tail": 1})
    assert plain.json() == {"content": line(2, "w-0", "ended")}


async def test_a_job_without_workers_keeps_how_its_environment_was_built(
    stage: BatchStage, client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    built = {"containerType": "StorageInitializer"}
    stage.workers.printed[LogKind.STORAGE_INITIALIZER] = "Collecting nosuch\nnot found"
    stage.workers.fails = Observation(
        "1", WorkloadState.FAILED, 0, 1, "ImageBuildFailure", "It is not built."
    )
    name = await stage.invoke()
    await stage.pump()
    assert (await stage.view(name)).job.status.value == "Failed"
    assert not [key for key in await stage.workers.keys() if key.startswith("batch/")]
    found = await read(client, f"{scope.id}/jobs/{name}", **built, level="Debug")
    assert found["content"].splitlines() == ["Collecting nosuch", "not found"]


async def test_there_is_no_log_of_a_job_that_is_not_there(
    client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    assert (await client.post(f"{scope.id}/jobs/nobody/getLogs")).status_code == 404
