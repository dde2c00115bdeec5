"""How jobs end: failures, thresholds, formats, cancellation, inputs that change."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from domain.batch.batch_deployment import OutputAction, OutputFormat, RetrySettings
from domain.jobs.batch_jobs import JobView
from domain.jobs.finishing import job_telling
from domain.jobs.records.batch_job import NO_SUCCESS
from domain.jobs.records.job_request import RequestedRetries
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_times import JobTimes
from domain.ports import UnitMiniBatch, UnitOutcome, UnitRequest
from tests.domain.jobs.running import FILES, HEADER, run
from tests.kit.script_workers import FunctionWorkers, Lost, Rows, Script, line_counts
from tests.kit.stages.batch_stage import STORE, BatchStage


def failing(*names: str) -> Script:
    def run(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        if set(names) & set(files):
            raise ValueError("cannot parse")
        return line_counts(request, mini_batch, files)

    return run


def manifest(stage: BatchStage, view: JobView) -> list[dict[str, Any]]:
    text = stage.output(view, view.job.output.failures_path)
    return [json.loads(line) for line in text.splitlines()]


async def test_failed_files_stand_in_the_manifest_and_the_others_in_the_output(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path, script=failing("1.txt", "4.txt")) as stage:
        await stage.deploy(mini_batch_size=1, retry_settings=RetrySettings(max_retries=2))
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        rows = stage.output(view).decode().splitlines()
        assert rows == [HEADER, *(f"{i}.txt,0,{i},1" for i in (0, 2, 3, 5))]
        assert manifest(stage, view) == [
            {
                "file": f"{i}.txt",
                "mini_batch": i,
                "attempts": 3,
                "error": "ValueError: cannot parse",
                "log_excerpt": "as printed",
            }
            for i in (1, 4)
        ]
        assert b"cannot parse" in stage.output(view, f"{view.job.logs_folder}/user/error.txt")
        overview = stage.output(view, f"{view.job.logs_folder}/job_progress_overview.txt")
        assert b"6: 4 succeeded, 2 failed" in overview


class Records(logging.Handler):
    """What a logger is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append({k: v for k, v in vars(record).items() if k.startswith("job.")})


async def test_telemetry_is_told_once_of_each_job_that_has_ended(tmp_path: Path) -> None:
    records, log = Records(), logging.getLogger(job_telling.LOGGER)
    log.addHandler(records)
    try:
        async with BatchStage(tmp_path, script=failing(*FILES)) as stage:
            await stage.deploy(error_threshold=0)
            view = await run(stage)
    finally:
        log.removeHandler(records)
    [told] = records.told
    assert view.job.status is JobStatus.FAILED
    assert (told["job.name"], told["job.status"]) == (view.job.name, "Failed")
    assert told["job.code"] == "ErrorThresholdExceeded"
    assert told["job.files"] == len(FILES)
    assert told["job.durationMs"] >= 0
    assert "job.retryOf" not in told


async def test_a_job_without_failures_has_no_manifest(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        assert not stage.has(view, view.job.output.failures_path)
        assert not stage.has(view, view.job.output.partial_marker_path)


async def test_an_override_of_zero_retries_tries_once(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, script=failing("1.txt")) as stage:
        await stage.deploy(mini_batch_size=1)
        view = await run(stage, retry_settings=RequestedRetries(max_retries=0))
        assert [f["attempts"] for f in manifest(stage, view)] == [1]


async def test_when_every_mini_batch_fails_the_job_fails(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, script=failing(*FILES)) as stage:
        await stage.deploy()
        view = await run(stage)
        assert view.job.status is JobStatus.FAILED
        assert view.job.error is not None
        assert view.job.error.message.startswith(NO_SUCCESS)
        assert len(manifest(stage, view)) == 6
        assert not stage.has(view, view.job.output.path)


async def test_a_strict_threshold_fails_the_job_at_the_first_failed_file(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, script=failing("1.txt"), at_once=1) as stage:
        await stage.deploy(mini_batch_size=1, error_threshold=0)
        view = await run(stage)
        assert view.job.status is JobStatus.FAILED
        assert view.job.error is not None
        assert view.job.error.code == "ErrorThresholdExceeded"
        assert view.progress is not None
        assert view.progress.recorded == 2
        # What was done is kept, and says that it is not the whole.
        assert stage.output(view).decode().splitlines() == [HEADER, "0.txt,0,0,1"]
        marker = json.loads(stage.output(view, view.job.output.partial_marker_path))
        assert (marker["status"], marker["succeeded_mini_batches"]) == ("Failed", 1)


async def test_as_many_failed_files_as_the_threshold_are_borne(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, script=failing("1.txt", "2.txt")) as stage:
        await stage.deploy(mini_batch_size=1, error_threshold=2)
        assert (await run(stage)).job.status is JobStatus.COMPLETED


async def test_a_timeout_counts_as_a_try_and_other_mini_batches_of_the_unit_run_again(
    tmp_path: Path,
) -> None:
    def hanging(
        request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        if "3.txt" in files:
            raise Lost
        return line_counts(request, mini_batch, files)

    async with BatchStage(tmp_path, script=hanging, most_units=2) as stage:
        await stage.deploy(mini_batch_size=1, retry_settings=RetrySettings(max_retries=1))
        view = await run(stage)
        assert view.job.plan is not None
        assert view.job.plan.unit_size == 3
        assert view.job.status is JobStatus.COMPLETED
        rows = stage.output(view).decode().splitlines()
        assert rows == [HEADER, *(f"{i}.txt,0,{i},1" for i in (0, 1, 2, 4, 5))]
        [failed] = manifest(stage, view)
        assert (failed["file"], failed["attempts"]) == ("3.txt", 2)
        assert failed["error"] == "the worker died"


async def test_a_unit_that_ends_its_host_each_time_is_given_up(tmp_path: Path) -> None:
    stage = BatchStage(tmp_path)

    def deadly(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        if "2.txt" in files:
            stage.mischief.dead = True
            stage.mischief.meet()
        return line_counts(request, mini_batch, files)

    stage.script = deadly
    async with stage:
        await stage.deploy(mini_batch_size=1)
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        [failed] = manifest(stage, view)
        assert failed["file"] == "2.txt"
        assert "times the host ended while it ran this" in failed["error"]
        assert stage.crashes == 11


async def test_a_mini_batch_longer_than_an_invocation_may_wait_goes_on(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, times=JobTimes(wait_again=1.0)) as stage:
        await stage.deploy(mini_batch_size=3)
        stage.mischief.slow = 0.8
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        assert len(stage.started) == len(set(stage.started)) == 2


class Lengthy(FunctionWorkers):
    """As the stage's own, but every unit takes ten minutes of the stage's clock."""

    def __init__(self, stage: BatchStage) -> None:
        super().__init__(stage.script, stage.mischief, stage.started)
        self._clock = stage.clock
        self._begun: dict[str, float] = {}
        self.waits: list[float] = []

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        self.waits.append(wait)
        begun = self._begun.setdefault(request.attempt_id, self._clock.time)
        left = begun + 600 - self._clock.time
        if left > 0:
            self._clock.time += min(wait, left)
        if left > wait:
            return None
        return await super().run_unit(key, request, wait=wait)


async def test_a_mini_batch_of_ten_minutes_is_waited_for_in_several_invocations(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path, at_once=1) as stage:
        await stage.deploy(mini_batch_size=3)
        lengthy = Lengthy(stage)
        stage.score_by(stage.units_on(workers=lengthy))
        begun = stage.clock.time
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        assert stage.clock.time - begun > 600
        assert max(lengthy.waits) <= 240, "no invocation waits for longer than four minutes"
        assert len(lengthy.waits) >= 4
        assert len(stage.started) == len(set(stage.started)) == 2, "nothing was run twice"
        units = [document.body["unit"] for document in await stage.units(view.job.name)]
        assert [unit["attempt"] for unit in units] == [0, 0]
        assert [unit["crashes"] for unit in units] == [0, 0]


async def test_a_file_that_changes_or_goes_after_planning_fails_and_says_so(
    tmp_path: Path,
) -> None:
    stage = BatchStage(tmp_path, at_once=1)
    place = tmp_path / "blobs" / STORE / "data"

    def run_and_change(
        request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        if "0.txt" in files:
            (place / "0.txt").write_text("changed while it was scored\n")
            (place / "1.txt").unlink(missing_ok=True)
            (place / "2.txt").write_text("changed before\n")
        return line_counts(request, mini_batch, files)

    stage.script = run_and_change
    async with stage:
        await stage.deploy(mini_batch_size=1)
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        rows = stage.output(view).decode().splitlines()
        assert rows == [HEADER, *(f"{i}.txt,0,{i},1" for i in (3, 4, 5))]
        errors = {f["file"]: f["error"] for f in manifest(stage, view)}
        assert "'0.txt' was changed after the job was planned" in errors["0.txt"]
        assert "'1.txt' was removed after the job was planned" in errors["1.txt"]
        assert "'2.txt' was changed after the job was planned" in errors["2.txt"]


async def test_nothing_to_score_fails_the_job_and_says_where(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        view = await run(stage, {})
        assert view.job.status is JobStatus.FAILED
        assert view.job.error is not None
        assert "no files under 'azureml://datastores/workspaceblobstore/paths/data'" in (
            view.job.error.message
        )
        assert view.job.released


async def test_text_is_as_azure_writes_it(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=2, output_format=OutputFormat.TEXT)
        view = await run(stage)
        assert stage.output(view).decode().splitlines()[:2] == ["0.txt 0 0 1", "1.txt 0 1 1"]


async def test_summary_only_writes_no_predictions_but_counts(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(output_action=OutputAction.SUMMARY_ONLY)
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        assert view.progress is not None
        assert view.progress.tally.rows == 6
        assert not stage.has(view, view.job.output.path)


async def test_no_rows_at_all_make_a_file_with_the_header_only(tmp_path: Path) -> None:
    def nothing(
        request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        return Rows(("a", "b"), [])

    async with BatchStage(tmp_path, script=nothing) as stage:
        await stage.deploy()
        view = await run(stage)
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == b"a,b\n"


@pytest.mark.parametrize("crashing", [False, True])
async def test_columns_in_another_order_are_aligned_and_others_fail(
    tmp_path: Path, crashing: bool
) -> None:
    def uneven(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        [name] = files
        values = {"file": name, "text": 'a,"b"\nc', "more": "x"}
        columns = {
            "1.txt": ("text", "more", "file"),
            "2.txt": ("file", "text"),
            "4.txt": ("more", "file", "text"),
        }.get(name, ("file", "text", "more"))
        return Rows(columns, [[values[c] for c in columns]] * 3)

    async with BatchStage(tmp_path, script=uneven) as stage:
        await stage.deploy(mini_batch_size=1, max_concurrency_per_instance=2)
        if crashing:
            stage.mischief.crash, stage.mischief.crashes_left = 0.03, 8
        view = await run(stage, name="job")
        assert view.job.status is JobStatus.COMPLETED
        row = '{},"a,""b""\nc",x\n'
        lines = [row.format(f"{i}.txt") * 3 for i in (0, 1, 3, 4, 5)]
        assert stage.output(view).decode() == "file,text,more\n" + "".join(lines)
        [failed] = manifest(stage, view)
        assert failed["file"] == "2.txt"
        assert "lacks more" in failed["error"]
        assert view.progress is not None
        assert (view.progress.tally.failed_files, view.progress.tally.rows) == (1, 15)


async def test_other_columns_count_against_the_threshold(tmp_path: Path) -> None:
    def uneven(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        return Rows(("a",) if "0.txt" in files else ("b",), [["1"]])

    async with BatchStage(tmp_path, script=uneven) as stage:
        await stage.deploy(mini_batch_size=1, error_threshold=0)
        view = await run(stage)
        assert view.job.status is JobStatus.FAILED
        assert len(manifest(stage, view)) == 5
