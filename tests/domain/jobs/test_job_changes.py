"""What is said of a job, and whether lists show it."""

from pathlib import Path

import pytest

from domain.errors import NotFound
from domain.jobs.batch_jobs import JobChoice
from domain.jobs.job_change import JobChange
from domain.jobs.job_logs import STREAMED, JobLogs
from domain.jobs.records.job_status import JobStatus
from tests.kit.stages.batch_stage import BatchStage

FILES = {f"{i}.txt": f"{i}\n" for i in range(4)}


async def names(stage: BatchStage, chosen: JobChoice) -> list[str]:
    return [view.job.name for view in (await stage.jobs.list(100, None, chosen))[0]]


async def test_a_change_joins_what_is_said_and_keeps_the_rest(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        name = await stage.invoke(tags={"a": "1"}, display_name="before")
        change = JobChange(description="told", tags={"b": "2"}, properties={"p": "q"})
        for _ in range(2):
            job = (await stage.jobs.change(name, change)).job
            assert (job.display_name, job.description) == ("before", "told")
            assert (job.tags, job.properties) == ({"a": "1", "b": "2"}, {"p": "q"})
        with pytest.raises(NotFound):
            await stage.jobs.change("nobody", change)


async def test_a_job_that_is_changed_at_every_step_goes_its_way(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        name, count = await stage.invoke(), 0
        while not (view := await stage.view(name)).job.status.is_terminal:
            count += 1
            await stage.jobs.change(name, JobChange(tags={"count": str(count)}))
            before = len(stage.started)
            await stage.pump(lambda before=before: len(stage.started) > before)  # type: ignore[misc]
        assert view.job.status is JobStatus.COMPLETED
        assert view.job.tags == {"count": str(count)}
        assert sorted(stage.started) == sorted(set(stage.started))


async def test_an_archived_job_is_listed_for_who_asks_for_such(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        kept, gone = await stage.invoke(), await stage.invoke("other")
        await stage.jobs.change(gone, JobChange(is_archived=True))
        assert await names(stage, JobChoice()) == [kept]
        assert await names(stage, JobChoice(is_archived=True)) == [gone]
        assert await names(stage, JobChoice(is_archived=None)) == sorted([kept, gone])
        await stage.jobs.change(gone, JobChange(is_archived=False))
        assert await names(stage, JobChoice()) == sorted([kept, gone])


async def test_jobs_are_chosen_by_deployment_and_tag(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        one, other = await stage.invoke(tags={"a": "1"}), await stage.invoke("other")
        assert await names(stage, JobChoice(deployment="BLUE")) == sorted([one, other])
        assert await names(stage, JobChoice(deployment="green")) == []
        for tag, found in (("a", [one]), ("a=1", [one]), ("a=2", []), ("b", [])):
            assert await names(stage, JobChoice(tag=tag)) == found


async def test_what_runs_is_found_archived_or_not(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, at_once=1) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        name = await stage.invoke()
        await stage.pump(lambda: len(stage.started) == 1)
        await stage.jobs.change(name, JobChange(is_archived=True))
        assert [job.name for job in await stage.jobs.running()] == [name]
        await stage.pump()
        assert list(await stage.jobs.running()) == []


async def test_the_logs_of_a_job_are_told_as_azures_clients_look_for_them(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=2)
        await stage.upload(FILES)
        name = await stage.invoke()
        logs = JobLogs(stage.jobs, stage.blobs)
        assert await logs.urls(name) == {}
        await stage.pump()
        found = await logs.urls(name)
        assert set(found) >= {STREAMED, "logs/job_progress_overview.txt"}
        job = (await stage.view(name)).job
        place = stage.blobs.locate(found[STREAMED])
        assert place == (job.output.container, f"{job.logs_folder}/job_progress_overview.txt")
        with pytest.raises(NotFound):
            await logs.urls("nobody")
