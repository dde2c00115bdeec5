"""How a job goes: it waits for compute, is canceled, is deleted, tells how far it is."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import Conflict, NotFound
from domain.ground.operation import OperationStatus
from domain.jobs.records.job_request import RequestedRetries
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_times import JobTimes
from domain.ports import Observation, UnitMiniBatch, UnitRequest, WorkloadState
from tests.domain.jobs.running import FILES, HEADER, run
from tests.kit.script_workers import Rows, line_counts
from tests.kit.stages.batch_stage import BatchStage


async def test_a_job_is_completed_before_its_workers_are_sent_away(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        name = await stage.invoke()
        seen: list[tuple[JobStatus, bytes, bool]] = []

        async def look() -> None:
            view = await stage.view(name)
            log = f"{view.job.logs_folder}/user/stdout/workers.txt"
            seen.append((view.job.status, stage.output(view), stage.has(view, log)))

        stage.workers.before_remove = look
        await stage.pump()
        assert seen
        view = await stage.view(name)
        assert set(seen) == {(JobStatus.COMPLETED, stage.output(view), True)}
        assert view.job.released


async def test_compute_that_fails_fails_the_job_with_its_reason(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        stage.workers.fails = Observation(
            "1", WorkloadState.FAILED, 0, 1, "UserScriptInitFailed", "init() raised\nlog"
        )
        view = await run(stage)
        assert view.job.status is JobStatus.FAILED
        assert view.job.error is not None
        assert view.job.error.code == "UserScriptInitFailed"
        assert "init() raised" in view.job.error.message
        assert view.job.released


async def test_a_job_waits_for_compute_that_other_jobs_hold(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        full = Observation("1", WorkloadState.FAILED, 0, 1, "OutOfQuota", "8 at most")
        stage.workers.fails = full
        stage.workers.looks["batch/other"] = 2
        name = await stage.invoke()
        begun = stage.clock.time
        await stage.pump(until=lambda: stage.clock.time > begun + 60)
        assert (await stage.view(name)).job.status is JobStatus.QUEUED
        del stage.workers.looks["batch/other"]
        stage.workers.fails = None
        await stage.pump()
        assert (await stage.view(name)).job.status is JobStatus.COMPLETED
        # With nobody to wait for, it says what is the matter.
        stage.workers.fails = full
        name = await stage.invoke()
        await stage.pump()
        error = (await stage.view(name)).job.error
        assert error is not None
        assert error.code == "OutOfQuota"


async def test_cancel_stops_the_job_and_keeps_what_is_done(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, at_once=1) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        name = await stage.invoke()
        await stage.pump(until=lambda: len(stage.started) == 3)
        operation = await stage.jobs.cancel(name)
        assert (await stage.jobs.cancel(name)).id == operation.id
        before = len(stage.started)
        await stage.pump()
        view = await stage.view(name)
        assert view.job.status is JobStatus.CANCELED
        assert view.job.released
        assert len(stage.started) == before
        assert stage.output(view).decode().splitlines()[0] == HEADER
        assert stage.has(view, view.job.output.partial_marker_path)
        ended = await stage.store.get("jobs/" + name, f"operation:{operation.id.split(':')[-1]}")
        assert ended.body["operation"]["status"] == OperationStatus.SUCCEEDED
        with pytest.raises(Conflict, match="cannot be canceled any more"):
            await stage.jobs.cancel(name)


async def test_a_job_canceled_before_it_is_planned_runs_nothing(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        name = await stage.invoke()
        await stage.jobs.cancel(name)
        await stage.pump()
        assert (await stage.view(name)).job.status is JobStatus.CANCELED
        assert stage.started == []


async def test_an_ended_job_can_be_deleted_and_its_output_stays(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        name = await stage.invoke()
        with pytest.raises(Conflict, match="cancel it, or wait"):
            await stage.jobs.delete(name)
        await stage.pump()
        view = await stage.view(name)
        assert await stage.jobs.delete(name)
        with pytest.raises(NotFound):
            await stage.view(name)
        assert stage.output(view)
        assert await stage.units(name) == []
        assert [b async for b in stage.blobs.list("system", "jobs/")] == []
        assert not await stage.jobs.delete(name)


async def test_settings_of_the_job_reach_the_worker(tmp_path: Path) -> None:
    seen: list[UnitRequest] = []

    def look(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        seen.append(request)
        return line_counts(request, mini_batch, files)

    async with BatchStage(tmp_path, script=look) as stage:
        await stage.deploy()
        await run(
            stage,
            mini_batch_size=4,
            retry_settings=RequestedRetries(max_retries=5, timeout=timedelta(seconds=7)),
        )
        assert sorted(len(r.mini_batches[0].inputs) for r in seen) == [2, 4]
        assert {r.timeout for r in seen} == {timedelta(seconds=7)}
        assert {r.mini_batches[0].tries for r in seen} == {6}


async def test_a_running_job_tells_in_its_log_how_far_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="ml_endpoints.batch")
    times = JobTimes(report_looks=1)
    async with BatchStage(tmp_path, times=times, at_once=2) as stage:
        await stage.deploy(mini_batch_size=1, max_concurrency_per_instance=2)
        await stage.upload(FILES)
        name = await stage.invoke()
        await stage.pump(until=lambda: len(stage.started) == 2)
        stage.mischief.slow = 1.0
        stage.clock.time += 10

        def told() -> list[str]:
            return [r.getMessage() for r in caplog.records if "a second" in r.getMessage()]

        await stage.pump(until=lambda: bool(told()))
        assert f"Job {name}: " in told()[0]
        assert "done by about 2026-" in told()[0]
        view = await stage.view(name)
        overview = stage.output(view, f"{view.job.logs_folder}/job_progress_overview.txt").decode()
        assert "status             Running" in overview
        assert "pace" in overview
