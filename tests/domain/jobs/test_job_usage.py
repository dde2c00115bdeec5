"""What a job has moved is known when it has ended, once, and still when it is deleted."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from domain.batch.batch_deployment import RetrySettings
from domain.jobs import job_usage
from domain.jobs.job_retention import JobRetention
from domain.jobs.job_usage import JobUsage
from domain.jobs.records.job_plan import PlannedFile
from domain.ports import InputPiece, UnitMiniBatch, UnitRequest
from tests.domain.jobs.running import run
from tests.kit.job_ground import job_ground
from tests.kit.script_workers import Rows, line_counts
from tests.kit.stages.batch_stage import BatchStage

FILES = {f"{i}.txt": f"{'x' * i}\n" for i in range(6)}
READ = sum(len(text) for text in FILES.values())
HEADER = len("input_file,input_row,line,length\n")


def but_one(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
    if "1.txt" in files:
        raise ValueError("cannot parse")
    return line_counts(request, mini_batch, files)


async def usages(stage: BatchStage) -> list[JobUsage]:
    found = await stage.store.query(job_usage.KIND)
    return [job_usage.usage_of(each) for each in found.documents]


async def test_inputs_count_once_however_often_they_are_tried_and_rows_as_they_stand(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path, script=but_one) as stage:
        await stage.deploy(mini_batch_size=1, retry_settings=RetrySettings(max_retries=3))
        view = await run(stage, FILES, tags={"team": "a"})
        [usage] = await usages(stage)
        assert (usage.read, usage.written) == (READ, len(stage.output(view)) - HEADER)
        assert (usage.job, usage.endpoint, usage.deployment) == (view.job.name, "irises", "blue")
        assert (usage.day, usage.tags) == ("2026-01-02", {"team": "a"})


async def test_it_is_there_once_after_crashes_and_after_the_job_is_gone(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        await stage.invoke()
        for number in range(1, 6):
            looks = iter(range(10 * number))
            await stage.pump(until=lambda looks=looks: next(looks, None) is None)  # type: ignore[misc]
            await stage.crash()
        await stage.pump()
        [usage] = await usages(stage)
        assert usage.read == READ
        stage.clock.time += 86400.0
        ground = job_ground(stage.store, stage.queue, stage.blobs, stage.clock)
        assert await JobRetention(ground, stage.jobs, keep=timedelta(0)).expire() == 1
        assert await usages(stage) == [usage]


async def test_a_job_that_is_canceled_has_moved_what_was_recorded(tmp_path: Path) -> None:
    seen: list[str] = []

    def script(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        seen.extend(files)
        return line_counts(request, mini_batch, files)

    async with BatchStage(tmp_path, at_once=1, script=script) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        name = await stage.invoke()
        await stage.pump(until=lambda: len(seen) >= 2)
        await stage.jobs.cancel(name)
        await stage.pump()
        [usage] = await usages(stage)
        assert 0 < usage.read < READ


@pytest.mark.parametrize(
    ("piece", "weight"),
    [
        (None, 100),
        (InputPiece(0, 5, offset=10, length=40, header=10), 50),
        (InputPiece(5, 5, offset=50, length=50, header=10), 60),
        (InputPiece(0, 5), 100),
        (InputPiece(5, 5), 0),
    ],
)
def test_a_piece_of_a_file_counts_what_is_read_of_it(piece: InputPiece | None, weight: int) -> None:
    assert PlannedFile("a.csv", "e", 100, piece=piece).weight == weight
