"""One bad file does not sink its neighbours: jobs whose failed mini-batches are bisected."""

import json
import math
import random
from collections.abc import Collection, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from domain.batch.batch_deployment import OutputAction, RetrySettings
from domain.jobs.batch_jobs import JobView
from domain.jobs.records.job_status import JobStatus
from domain.ports import UnitMiniBatch, UnitRequest
from tests.kit.mischief import Mischief
from tests.kit.script_workers import QUICK, Lost, Rows, line_counts
from tests.kit.stages.batch_stage import BatchStage

NAMES = [f"f{i:02}.txt" for i in range(24)]
FILES = {name: f"{name}\n" for name in NAMES}
HEADER = "input_file,input_row,line,length"
ONCE = RetrySettings(max_retries=0)


class Script:
    """Fails on `bad` files, loses its worker on `deadly` ones, counts its runs. `lose`: on what
    numbers of runs its worker is lost whatever the files."""

    def __init__(self, bad: Collection[str] = (), deadly: Collection[str] = ()) -> None:
        self.bad, self.deadly = set(bad), set(deadly)
        self.lose: set[int] = set()
        self.runs: list[list[str]] = []

    def __call__(
        self, request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        self.runs.append(list(files))
        if self.deadly & set(files) or len(self.runs) in self.lose:
            raise Lost
        if self.bad & set(files):
            raise ValueError(f"no {', '.join(sorted(self.bad & set(files)))}")
        return line_counts(request, mini_batch, files)

    def runs_with(self, names: Collection[str]) -> int:
        return sum(not set(names).isdisjoint(run) for run in self.runs)


async def run(stage: BatchStage, files: Mapping[str, str] = FILES, **overrides: Any) -> JobView:
    await stage.upload(files)
    return await ended(stage, await stage.invoke(**overrides))


async def ended(stage: BatchStage, name: str) -> JobView:
    await stage.pump()
    return await stage.view(name)


def manifest(stage: BatchStage, view: JobView) -> list[dict[str, Any]]:
    path = view.job.results.failures_path
    if not stage.has(view, path):
        return []
    return [json.loads(line) for line in stage.output(view, path).splitlines()]


def rows(stage: BatchStage, view: JobView) -> list[str]:
    """The files that have rows, in the order of these."""
    header, *lines = stage.output(view, view.job.results.path).decode().splitlines()
    assert header == HEADER
    return [line.partition(",")[0] for line in lines]


def good(*bad: str) -> list[str]:
    return [name for name in NAMES if name not in bad]


@pytest.mark.parametrize("bad", [at for n in (1, 2, 3) for at in combinations(range(8), n)][::16])
async def test_bad_files_alone_land_in_the_manifest_and_runs_are_bounded(
    tmp_path: Path, bad: tuple[int, ...]
) -> None:
    names = [NAMES[8 + at] for at in bad]
    script = Script(names)
    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_size=8, retry_settings=ONCE)
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        assert rows(stage, view) == good(*names)
        assert [line["file"] for line in manifest(stage, view)] == names
        assert [line["error"] for line in manifest(stage, view)] == [
            f"ValueError: no {name}" for name in names
        ]
        assert script.runs_with(NAMES[8:16]) <= 1 + 2 * len(bad) * math.log2(8) + 1
        assert script.runs_with(NAMES[:8] + NAMES[16:]) == 2, "others are run once"
        assert view.progress is not None
        tally = view.progress.tally
        assert (tally.succeeded_files, tally.failed_files) == (24 - len(bad), len(bad))
        assert (tally.succeeded_mini_batches, tally.failed_mini_batches) == (3, 0)


async def test_tries_come_first_and_are_told(tmp_path: Path) -> None:
    script = Script(["f09.txt"])
    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_size=8, retry_settings=RetrySettings(max_retries=2))
        view = await run(stage)
        whole = [each for each in script.runs if each == NAMES[8:16]]
        assert len(whole) == 3
        [line] = manifest(stage, view)
        assert line["mini_batch"] == 1
        assert line["attempts"] == script.runs_with(["f09.txt"])
        assert line["log_excerpt"] == "as printed"
        error = stage.output(view, f"{view.job.logs_folder}/user/error.txt").decode()
        assert "mini-batch 1, file 2 of it, tried" in error


async def test_it_can_be_left_out_by_a_deployment_and_by_a_job(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, script=Script(["f09.txt"])) as stage:
        await stage.deploy(mini_batch_size=8, bisect_failures=False)
        view = await run(stage)
        assert [line["file"] for line in manifest(stage, view)] == NAMES[8:16]
        view = await run(stage, bisect_failures=True)
        assert [line["file"] for line in manifest(stage, view)] == ["f09.txt"]
        await stage.deploy(mini_batch_size=8)
        view = await run(stage, bisect_failures=False)
        assert [line["file"] for line in manifest(stage, view)] == NAMES[8:16]


@pytest.mark.parametrize("at_once", [1, 4])
async def test_the_first_to_fail_wait_until_another_succeeds(tmp_path: Path, at_once: int) -> None:
    names = ["f00.txt", "f05.txt", "f11.txt"]
    script = Script(names)
    async with BatchStage(tmp_path, script=script, at_once=at_once) as stage:
        await stage.deploy(mini_batch_size=4, retry_settings=ONCE)
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        assert [line["file"] for line in manifest(stage, view)] == names
        assert rows(stage, view) == good(*names)
        first = script.runs.index(NAMES[12:16])
        assert all(len(each) == 4 for each in script.runs[:first])


async def test_where_none_succeeds_none_is_bisected(tmp_path: Path) -> None:
    script = Script(NAMES)
    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_size=6, retry_settings=ONCE)
        view = await run(stage)
        assert view.job.status is JobStatus.FAILED
        assert view.job.error is not None
        assert view.job.error.code == "NoSucceededMiniBatch"
        assert [line["file"] for line in manifest(stage, view)] == NAMES
        assert [len(each) for each in script.runs] == [6] * 4


async def test_a_threshold_counts_bad_files_alone(tmp_path: Path) -> None:
    names = ["f09.txt", "f17.txt"]
    async with BatchStage(tmp_path, script=Script(names), at_once=1) as stage:
        await stage.deploy(mini_batch_size=8, error_threshold=2)
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        view = await run(stage, error_threshold=1)
        assert view.job.status is JobStatus.FAILED
        assert [line["file"] for line in manifest(stage, view)] == names


async def test_a_job_that_has_failed_by_its_first_mini_batch_holds_none(tmp_path: Path) -> None:
    script = Script(NAMES)
    async with BatchStage(tmp_path, script=script, at_once=1) as stage:
        await stage.deploy(mini_batch_size=8, error_threshold=0, retry_settings=ONCE)
        view = await run(stage)
        assert view.job.status is JobStatus.FAILED
        assert len(script.runs) <= 2, "no more than were in flight"


@pytest.mark.parametrize("at", [0, 3, 7])
async def test_a_file_that_ends_its_worker_is_found_as_well(tmp_path: Path, at: int) -> None:
    name = NAMES[8 + at]
    script = Script(deadly=[name])
    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_size=8, retry_settings=RetrySettings(max_retries=1))
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        [line] = manifest(stage, view)
        assert (line["file"], line["error"]) == (name, "the worker died")
        assert rows(stage, view) == good(name)
        assert script.runs_with(NAMES[8:16]) <= 2 + 2 * math.log2(8) + 1


@pytest.mark.parametrize("at", [4, 6, 7, 9])
async def test_a_worker_that_dies_meanwhile_puts_no_good_file_into_the_manifest(
    tmp_path: Path, at: int
) -> None:
    script = Script(["f11.txt"])
    script.lose = {at}
    async with BatchStage(tmp_path, script=script, at_once=1) as stage:
        await stage.deploy(mini_batch_size=8, retry_settings=RetrySettings(max_retries=1))
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        assert [line["file"] for line in manifest(stage, view)] == ["f11.txt"]
        assert rows(stage, view) == good("f11.txt")


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_befalls_the_host_each_file_stands_once_in_output_or_manifest(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    bad = rng.sample(NAMES, 3)
    mischief = Mischief(
        rng=rng, crash=0.02, crashes_left=12, double=0.2, delay=0.2, lose=0.05, slow=0.2
    )
    script = Script(bad[:2], deadly=bad[2:])
    most_units = 2 if seed % 2 else 100
    async with BatchStage(
        tmp_path, script=script, mischief=mischief, most_units=most_units
    ) as stage:
        # What befalls a host while it provisions, or is asked for a job, is another test's.
        with mischief.asleep():
            await stage.deploy(mini_batch_size=6, retry_settings=RetrySettings(max_retries=1))
            await stage.upload(FILES)
            name = await stage.invoke(name="job")
        view = await ended(stage, name)
        assert view.job.status is JobStatus.COMPLETED
        assert [line["file"] for line in manifest(stage, view)] == sorted(bad)
        assert rows(stage, view) == good(*bad)


async def test_in_units_of_several_mini_batches_the_bad_files_alone_fail(tmp_path: Path) -> None:
    names = ["f01.txt", "f02.txt", *NAMES[6:9], "f17.txt"]
    async with BatchStage(tmp_path, script=Script(names), most_units=2) as stage:
        await stage.deploy(mini_batch_size=3, retry_settings=ONCE)
        view = await run(stage)
        assert view.job.plan is not None
        assert view.job.plan.unit_size == 4
        assert [line["file"] for line in manifest(stage, view)] == names
        assert rows(stage, view) == good(*names)
        assert view.progress is not None
        assert view.progress.tally.failed_mini_batches == 1


async def test_quick_ones_that_are_bundled_are_bisected_too(tmp_path: Path) -> None:
    names = ["f07.txt", "f14.txt"]
    async with BatchStage(tmp_path, script=Script(names), seconds=QUICK) as stage:
        await stage.deploy(mini_batch_size=2, retry_settings=ONCE)
        view = await run(stage)
        assert [line["file"] for line in manifest(stage, view)] == names
        assert rows(stage, view) == good(*names)


async def test_a_file_that_has_gone_fails_alone(tmp_path: Path) -> None:
    stage = BatchStage(tmp_path, at_once=1)
    place = tmp_path / "blobs" / "workspaceblobstore" / "data" / "f12.txt"

    def removing(
        request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        place.unlink(missing_ok=True)
        return line_counts(request, mini_batch, files)

    stage.script = removing
    async with stage:
        await stage.deploy(mini_batch_size=8)
        view = await run(stage)
        [line] = manifest(stage, view)
        assert line["file"] == "f12.txt"
        assert "'f12.txt' was removed after the job was planned" in line["error"]
        assert rows(stage, view) == good("f12.txt")


async def test_a_job_that_writes_no_rows_counts_its_bad_files(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, script=Script(["f12.txt"])) as stage:
        await stage.deploy(mini_batch_size=8, output_action=OutputAction.SUMMARY_ONLY)
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        assert [line["file"] for line in manifest(stage, view)] == ["f12.txt"]
        assert view.progress is not None
        assert view.progress.tally.rows == 23


async def test_documents_of_jobs_in_which_nothing_was_bisected_have_no_new_field(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path, script=Script(["f12.txt"])) as stage:
        await stage.deploy(mini_batch_size=1)
        view = await run(stage)
        kinds = ("batchDeployment", "batchJob", "batchProgress", "batchUnit")
        pages = [await stage.store.query(kind) for kind in kinds]
        bodies = json.dumps([document.body for page in pages for document in page.documents])
        assert len(manifest(stage, view)) == 1
        for field in ("bisect_failures", "bisections", '"held"', "bad_files", '"parts"'):
            assert field not in bodies
