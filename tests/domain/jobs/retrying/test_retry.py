"""Scoring the failed files of an ended job once more, their rows joined to the others'."""

import io
import json
import random
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import Conflict, Invalid, NotFound
from domain.ground.access import trusted
from domain.jobs.batch_jobs import JobView
from domain.jobs.invoking.retry_request import NothingToRetry
from domain.jobs.records.job_request import JobProperties, RequestedInput, RequestedRetries
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_times import JobTimes
from domain.jobs.retrying import retry_joining
from domain.ports import UnitMiniBatch, UnitRequest
from tests.kit.mischief import Mischief
from tests.kit.script_workers import QUICK, SLOW, Rows, line_counts
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage

FILES = {f"f{i:02}.txt": "".join(f"{i}-{n}\n" for n in range(i % 3 + 1)) for i in range(11)}


class Script:
    """Fails on the files of `bad`; on none once that is empty."""

    def __init__(self, *bad: str, columns: tuple[str, ...] | None = None) -> None:
        self.bad = set(bad)
        self.columns = columns
        self.seen: list[str] = []

    def __call__(
        self, request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        self.seen += files
        if self.bad & set(files):
            raise ValueError(f"no {', '.join(files)}")
        rows = line_counts(request, mini_batch, files)
        return rows if self.columns is None else Rows(self.columns, rows.rows)


async def retry(stage: BatchStage, job: str, key: str | None = None, **asked: object) -> str:
    properties = JobProperties.model_validate({"retry_of": job, **asked})
    invoked = await stage.invocation.invoke(ENDPOINT, properties, caller=trusted("me"), key=key)
    return invoked.job.name


async def read(stage: BatchStage, view: JobView) -> object:
    """The results: the text of a file, or the rows of a folder's parts in their order."""
    results = view.job.results
    if not view.job.writes_parts:
        return stage.output(view, results.path)
    said = json.loads(stage.output(view, f"{results.path}/_manifest.json"))
    names = [part["name"] for part in said["parts"]]
    assert names == sorted(names)
    there = [blob.name async for blob in stage.blobs.list(STORE, f"{results.path}/part-")]
    assert there == [f"{results.path}/{name}" for name in names]
    parts = [
        pq.read_table(io.BytesIO(stage.output(view, f"{results.path}/{name}"))) for name in names
    ]
    assert said["rows"] == sum(part.num_rows for part in parts)
    return pa.concat_tables(parts, promote_options="permissive").to_pylist()


@pytest.fixture
async def calm(tmp_path: Path) -> AsyncIterator[BatchStage]:
    (tmp_path / "calm").mkdir()
    async with BatchStage(tmp_path / "calm") as stage:
        yield stage


async def undisturbed(stage: BatchStage, output_format: str, size: int) -> object:
    """What a job leaves in which nothing fails."""
    await stage.deploy(output_format=output_format, mini_batch_size=size)
    await stage.upload(FILES)
    job = await stage.invoke()
    await stage.pump()
    return await read(stage, await stage.view(job))


@pytest.mark.parametrize(
    ("output_format", "size", "most_units"),
    [
        ("Csv", 1, 100),
        ("Csv", 3, 100),
        ("Csv", 1, 3),
        ("Jsonl", 2, 3),
        ("Text", 1, 100),
        ("Parquet", 1, 100),
        ("Parquet", 3, 100),
    ],
)
async def test_a_chain_of_retries_leaves_what_one_run_without_failures_would_have(
    tmp_path: Path, calm: BatchStage, output_format: str, size: int, most_units: int
) -> None:
    wanted = await undisturbed(calm, output_format, size)
    script = Script("f00.txt", "f04.txt", "f05.txt", "f10.txt")
    # Of a mini-batch's rows in a part, others cannot be put in the midst.
    bisected = output_format != "Parquet"
    async with BatchStage(tmp_path, script=script, most_units=most_units) as stage:
        await stage.deploy(
            output_format=output_format, mini_batch_size=size, bisect_failures=bisected
        )
        await stage.upload(FILES)
        jobs = [await stage.invoke()]
        await stage.pump()
        for mended in ("f04.txt", "f10.txt", "f00.txt", "f05.txt"):
            script.bad.remove(mended)
            script.seen.clear()
            jobs.append(await retry(stage, jobs[-1]))
            await stage.pump()
            view = await stage.view(jobs[-1])
            before = await stage.view(jobs[-2])
            assert before.progress is not None
            assert view.progress is not None
            assert view.progress.files == before.progress.tally.failed_files
            assert len(set(script.seen)) == view.progress.files
            assert view.job.status in (JobStatus.COMPLETED, JobStatus.FAILED)
            # Nothing of the job before is needed any more but what it wrote.
            await stage.jobs.delete(jobs[-2])
        assert view.job.status is JobStatus.COMPLETED
        assert view.progress is not None
        assert view.progress.tally.failed_files == 0
        assert await read(stage, view) == wanted
        with pytest.raises(NothingToRetry):
            await retry(stage, jobs[-1])


async def test_of_bisected_mini_batches_the_bad_files_are_retried_and_follow_their_part(
    tmp_path: Path, calm: BatchStage
) -> None:
    wanted = await undisturbed(calm, "Parquet", 4)
    assert isinstance(wanted, list)
    script = Script("f01.txt", "f09.txt")
    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(output_format="Parquet", mini_batch_size=4)
        await stage.upload(FILES)
        first = await stage.invoke()
        await stage.pump()
        script.bad.clear()
        script.seen.clear()
        second = await retry(stage, first)
        await stage.pump()
        assert sorted(script.seen) == ["f01.txt", "f09.txt"]
        found = await read(stage, await stage.view(second))
        assert isinstance(found, list)
        order = list(dict.fromkeys(row["input_file"] for row in found))
        names = list(FILES)
        within = [*names[:1], *names[2:4], names[1], *names[4:9], names[10], names[9]]
        assert order == within
        assert sorted(found, key=lambda row: (row["input_file"], row["input_row"])) == wanted


async def test_good_files_of_a_failed_mini_batch_are_saved_by_smaller_ones(
    tmp_path: Path, calm: BatchStage
) -> None:
    wanted = await undisturbed(calm, "Csv", 4)
    script = Script("f05.txt")
    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_size=4, bisect_failures=False)
        await stage.upload(FILES)
        first = await stage.invoke()
        await stage.pump()
        second = await retry(stage, first, mini_batch_size=1)
        await stage.pump()
        view = await stage.view(second)
        assert view.progress is not None
        assert (view.progress.files, view.progress.tally.failed_files) == (4, 1)
        assert view.job.status is JobStatus.COMPLETED
        text = stage.output(view, view.job.results.failures_path).decode()
        assert [json.loads(line)["file"] for line in text.splitlines()] == ["f05.txt"]
        script.bad.clear()
        third = await retry(stage, second)
        await stage.pump()
        assert await read(stage, await stage.view(third)) == wanted


@pytest.mark.parametrize("output_format", ["Csv", "Parquet"])
async def test_files_that_a_failed_or_canceled_job_never_tried_are_scored(
    tmp_path: Path, calm: BatchStage, output_format: str
) -> None:
    wanted = await undisturbed(calm, output_format, 1)
    script = Script("f03.txt", "f04.txt")
    async with BatchStage(tmp_path, script=script, at_once=1) as stage:
        await stage.deploy(output_format=output_format, mini_batch_size=1, error_threshold=0)
        await stage.upload(FILES)
        first = await stage.invoke()
        await stage.pump()
        view = await stage.view(first)
        assert view.job.status is JobStatus.FAILED
        script.bad.clear()
        second = await retry(stage, first)
        await stage.pump(lambda: "f07.txt" in script.seen)
        await stage.jobs.cancel(second)
        await stage.pump()
        view = await stage.view(second)
        assert view.job.status is JobStatus.CANCELED
        assert stage.has(view, view.job.results.partial_marker_path)
        third = await retry(stage, second)
        await stage.pump()
        view = await stage.view(third)
        assert view.job.status is JobStatus.COMPLETED
        assert await read(stage, view) == wanted


async def test_a_file_that_was_mended_is_read_as_it_is_now(tmp_path: Path) -> None:
    def picky(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        if b"broken" in b"".join(files.values()):
            raise ValueError("broken")
        return line_counts(request, mini_batch, files)

    async with BatchStage(tmp_path, script=picky) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload({"a.txt": "a\n", "b.txt": "broken\n", "c.txt": "broken\n"})
        first = await stage.invoke()
        await stage.pump()
        await stage.upload({"b.txt": "whole\n"})
        await stage.blobs.delete(STORE, "data/c.txt")
        second = await retry(stage, first)
        await stage.pump()
        view = await stage.view(second)
        assert stage.output(view, view.job.results.path).decode().splitlines()[1:] == [
            "a.txt,0,a,1",
            "b.txt,0,whole,5",
        ]
        failures = stage.output(view, view.job.results.failures_path).decode()
        assert "'c.txt' was removed" in failures


@pytest.mark.parametrize("seed", range(6))
async def test_a_disturbed_retry_leaves_the_same(
    tmp_path: Path, calm: BatchStage, seed: int
) -> None:
    """In every other run units are quick, and there are enough of them for bundles."""
    output_format = ("Csv", "Parquet")[seed // 2 % 2]
    wanted = await undisturbed(calm, output_format, 1)
    quick = seed % 2
    script = Script(*(sorted(FILES)[1:] if quick else ("f00.txt", "f04.txt", "f05.txt")))
    seconds = QUICK if quick else SLOW
    times = JobTimes(join_slice=0)
    async with BatchStage(tmp_path, script=script, times=times, seconds=seconds) as stage:
        await stage.deploy(output_format=output_format, mini_batch_size=1)
        await stage.upload(FILES)
        first = await stage.invoke()
        await stage.pump()
        script.bad.clear()
        second = await retry(stage, first, key="k")
        wild = Mischief(
            rng=random.Random(seed), crash=0.04, crashes_left=8, double=0.2, delay=0.1, lose=0.05
        )
        stage.mischief.__dict__.update(wild.__dict__)
        await stage.pump()
        stage.mischief.__dict__.update(Mischief().__dict__)
        assert stage.crashes
        assert await retry(stage, first, key="k") == second
        view = await stage.view(second)
        assert view.job.status is JobStatus.COMPLETED
        assert await read(stage, view) == wanted


async def test_joining_goes_on_over_many_steps(
    tmp_path: Path, calm: BatchStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_joining, "PIECE", 7)
    wanted = await undisturbed(calm, "Csv", 1)
    script = Script("f04.txt")
    async with BatchStage(tmp_path, script=script, times=JobTimes(join_slice=0)) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        first = await stage.invoke()
        await stage.pump()
        script.bad.clear()
        second = await retry(stage, first)
        await stage.pump()
        view = await stage.view(second)
        assert view.job.joined > 10
        assert await read(stage, view) == wanted


async def test_a_retry_runs_on_the_deployment_as_it_is_now_with_the_first_jobs_overrides(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path, script=Script("f03.txt")) as stage:
        await stage.deploy(mini_batch_size=2, error_threshold=5)
        await stage.upload(FILES)
        retries = RequestedRetries(max_retries=1)
        variables = {"A": "1", "B": "2"}
        first = await stage.invoke(retry_settings=retries, environment_variables=variables)
        await stage.pump()
        await stage.assets_and_deployment(mini_batch_size=4, error_threshold=9)
        second = await retry(
            stage,
            first,
            retry_settings={"timeout": "PT7S"},
            environment_variables={"B": "3"},
        )
        settings = (await stage.view(second)).job.settings
        assert (settings.mini_batch_size, settings.error_threshold) == (4, 9)
        assert settings.retry_settings.max_retries == 1
        assert settings.retry_settings.timeout.total_seconds() == 7
        assert settings.environment_variables == {"A": "1", "B": "3"}


async def test_rows_of_other_columns_than_the_first_jobs_fail(tmp_path: Path) -> None:
    script = Script("f03.txt")
    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        first = await stage.invoke()
        await stage.pump()
        kept = stage.output(await stage.view(first))
        script.bad.clear()
        script.columns = ("input_file", "input_row", "line", "width")
        second = await retry(stage, first)
        await stage.pump()
        view = await stage.view(second)
        assert view.job.status is JobStatus.FAILED
        assert stage.output(view, view.job.results.path) == kept
        assert "lacks length" in stage.output(view, view.job.results.failures_path).decode()


async def test_an_output_that_was_changed_is_not_joined(tmp_path: Path) -> None:
    script = Script("f03.txt")
    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        first = await stage.invoke()
        await stage.pump()
        script.bad.clear()
        during = await retry(stage, first)
        await stage.pump(lambda: "f03.txt" in stage.script.seen[len(FILES) :])  # type: ignore[attr-defined]
        output = (await stage.view(first)).job.output
        await stage.blobs.write(STORE, output.path, b"edited")
        after = await retry(stage, first)
        await stage.pump()
        for job, code in ((during, "OutputDisturbed"), (after, "RetriedOutputGone")):
            view = await stage.view(job)
            assert view.job.status is JobStatus.FAILED
            assert view.job.error is not None
            assert view.job.error.code == code


async def test_what_cannot_be_retried_is_refused_with_its_reason(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, script=Script("f03.txt")) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload(FILES)
        with pytest.raises(NotFound, match="has no job"):
            await retry(stage, "nothing")
        first = await stage.invoke()
        with pytest.raises(Conflict, match="wait for its end"):
            await retry(stage, first)
        await stage.pump()
        given = {"a": RequestedInput(job_input_type="UriFolder", uri="azureml:x:1")}
        with pytest.raises(Invalid) as refused:
            await retry(stage, first, input_data=given, output_format="Jsonl")
        assert {d.target for d in refused.value.details} == {
            "properties.inputData",
            "properties.outputFormat",
        }
        empty = await stage.invoke("no/such/folder")
        await stage.pump()
        with pytest.raises(Conflict, match="before its files were listed"):
            await retry(stage, empty)


async def test_a_retry_of_summaries_has_a_folder_of_its_own(tmp_path: Path) -> None:
    script = Script("f03.txt")
    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_size=1, output_action="SummaryOnly")
        await stage.upload(FILES)
        first = await stage.invoke()
        await stage.pump()
        script.bad.clear()
        second = await retry(stage, first)
        await stage.pump()
        view = await stage.view(second)
        assert view.job.status is JobStatus.COMPLETED
        assert view.progress is not None
        assert view.progress.files == 1
        assert view.job.results.folder == f"azureml/{second}/score"
