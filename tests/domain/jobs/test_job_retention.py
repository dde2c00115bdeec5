"""Jobs that ended long ago go by themselves."""

from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import NotFound
from domain.jobs.job_retention import JobRetention
from domain.jobs.records import batch_job
from tests.kit.job_ground import job_ground
from tests.kit.stages.batch_stage import STORE, BatchStage

DAY = 86400.0


def retention(stage: BatchStage, days: float | None) -> JobRetention:
    keep = None if days is None else timedelta(days=days)
    ground = job_ground(stage.store, stage.queue, stage.blobs, stage.clock)
    return JobRetention(ground, stage.jobs, keep=keep)


async def test_a_job_goes_after_its_time_and_its_results_stay(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload({"a.txt": "a\n"})
        old = await stage.invoke()
        missing = await stage.invoke("nowhere")
        await stage.pump()
        view = await stage.view(old)
        stage.clock.time += 2 * DAY
        young = await stage.invoke()
        await stage.pump()
        stage.clock.time += 2 * DAY
        running = await stage.invoke()
        assert await retention(stage, None).expire() == 0
        assert await retention(stage, 5).expire() == 0
        assert await retention(stage, 3).expire(limit=1) == 1
        assert await retention(stage, 3).expire() == 1
        for gone in (old, missing):
            with pytest.raises(NotFound):
                await stage.view(gone)
        assert stage.output(view)
        partition = batch_job.partition(old)
        for kind in ("batchJob", "batchUnit", "batchProgress"):
            assert not (await stage.store.query(kind, partition=partition)).documents
        assert [b.name async for b in stage.blobs.list("system", f"jobs/{old}/")] == []
        assert [b.name async for b in stage.blobs.list(STORE, f"{view.job.logs_folder}/")] == []
        assert {(await stage.view(name)).job.name for name in (young, running)} == {young, running}
