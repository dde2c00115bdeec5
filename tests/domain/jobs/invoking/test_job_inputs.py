"""What a job reads: several inputs, globs, web files, and mini-batches by bytes and rows."""

import io
import json
import random
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from domain.batch.mini_batch_cut import MiniBatchBy
from domain.ground.access import trusted
from domain.jobs.batch_jobs import JobView
from domain.jobs.records.job_plan import PlannedFile, PlanReader
from domain.jobs.records.job_request import JobProperties
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_times import JobTimes
from domain.ports import UnitMiniBatch, UnitRequest
from tests.domain.jobs.invoking.inputs import ROOT, ended, faults, file, folder, inputs, lines
from tests.kit.mischief import Mischief
from tests.kit.script_workers import QUICK, SLOW, Rows
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage, over


async def planned(stage: BatchStage, view: JobView) -> list[list[PlannedFile]]:
    plan = view.job.plan
    assert plan is not None
    return await PlanReader(stage.blobs).files(view.job.name, plan, range(plan.mini_batches))


def csv_rows(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
    """A row for each line below the header, numbered as the file's, by the piece read."""
    rows = []
    for each in mini_batch.inputs:
        header, *own = files[each.name].decode().splitlines()
        assert header == "h"
        first = each.piece.first_row if each.piece else 0
        rows += [[each.name, str(first + n), line] for n, line in enumerate(own)]
    return Rows(("input_file", "input_row", "line"), rows)


async def test_several_inputs_are_scored_in_the_order_given_under_their_names(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=2)
        await stage.upload({"a.txt": "1\n", "deep/b.txt": "2\n"}, "one")
        await stage.upload({"a.txt": "3\n"}, "two")
        found = inputs(z="one", a="two", single=file(f"{ROOT}/one/a.txt"))
        view = await ended(stage, input_data=found)
        assert [line.split(",")[::2] for line in lines(stage, view)] == [
            ["z/a.txt", "1"],
            ["z/deep/b.txt", "2"],
            ["a/a.txt", "3"],
            ["single/a.txt", "1"],
        ]
        assert view.progress is not None
        assert (view.progress.files, view.progress.mini_batches) == (4, 2)


@pytest.mark.parametrize("name", ["a/b", "..", "x\ny", "x" * 300])
async def test_a_name_that_would_confuse_outputs_is_refused_among_several(
    tmp_path: Path, name: str
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        both = {name: folder("one"), "b": folder("two")}
        [fault] = await faults(stage, input_data=both)
        assert "cannot be called so" in fault.message
        alone = JobProperties(input_data={name: folder("one")})
        await stage.invocation.invoke(ENDPOINT, alone, caller=trusted("me"))


async def test_globs_choose_among_a_folders_files(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        names = ["a.csv", "b.txt", "2025/c.csv", "2026/d.csv", "2026/_tmp/e.csv"]
        await stage.upload(dict.fromkeys(names, "x\n"))
        chosen = folder("data", include=("**/*.csv",), exclude=("2025/**", "**/_*/**"))
        view = await ended(stage, input_data=inputs(data=chosen))
        assert [line.partition(",")[0] for line in lines(stage, view)] == ["2026/d.csv", "a.csv"]
        nothing = folder("data", include=("*.parquet",))
        view = await ended(stage, input_data=inputs(data=nothing))
        assert view.job.error is not None
        assert "no files that its globs take" in view.job.error.message


async def test_an_inventory_lists_a_folders_files_in_its_own_order(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=1)
        names = ["a.csv", "b,c.csv", "deep/c.csv", "unlisted.csv", "gone.csv", "changed.csv"]
        await stage.upload(dict.fromkeys(names, "x\n"))
        etags = {blob.name: blob.etag async for blob in stage.blobs.list(STORE, "data/")}
        rows = [
            "Name,Creation-Time,Etag,Content-Length,Snapshot,IsCurrentVersion",
            f"data/deep/c.csv,now,{etags['data/deep/c.csv']},2,,true",
            f"{STORE}/data/a.csv,now,{etags['data/a.csv'].strip(chr(34))},2,,",
            f'"data/b,c.csv",now,{etags["data/b,c.csv"]},2,,True',
            "data/a.csv,then,0x1,2,2026-01-01,true",
            "data/a.csv,then,0x1,2,,false",
            "other/z.csv,now,0x1,2,,",
            "data/changed.csv,now,0x1,2,,",
        ]
        await stage.blobs.write(STORE, "lists/all.csv", ("\r\n".join(rows)).encode())
        asked = folder("data", inventory=f"{ROOT}/lists/all.csv", exclude=("**/changed.csv",))
        view = await ended(stage, input_data=inputs(data=asked))
        assert [line.rpartition(",0")[0].strip('"') for line in lines(stage, view)] == [
            "deep/c.csv",
            "a.csv",
            "b,c.csv",
        ]
        asked = folder("data", inventory=f"{ROOT}/lists/all.csv")
        view = await ended(stage, input_data=inputs(data=asked), error_threshold=-1)
        assert view.progress is not None
        assert (view.progress.files, view.progress.tally.failed_files) == (4, 1)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("name,etag\n", "lacks the columns content-length"),
        ("name,etag,content-length\ndata/a.csv,0x1\n", "too few columns"),
        ("name,etag,content-length\ndata/a.csv,,2\n", "no ETag or no size"),
        ("name,etag,content-length\ndata/../secret,0x1,2\n", "no file is called"),
        ("name,etag,content-length\ndata//a.csv,0x1,2\n", "no file is called"),
        ("name,etag,content-length\n", "There are no files"),
        (None, "There is no inventory"),
    ],
)
async def test_an_inventory_that_is_none_is_told_of(
    tmp_path: Path, content: str | None, told: str
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        if content is not None:
            await stage.blobs.write(STORE, "lists/all.csv", content.encode())
        asked = folder("data", inventory=f"{ROOT}/lists/all.csv")
        view = await ended(stage, input_data=inputs(data=asked))
        assert view.job.error is not None
        assert told in view.job.error.message


async def test_an_inventory_is_of_a_folder_and_in_the_blob_store(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        both = inputs(
            one=file(f"{ROOT}/data/a.csv", inventory=f"{ROOT}/lists/all.csv"),
            two=folder("data", inventory="https://elsewhere.example/list.csv"),
        )
        found = await faults(stage, input_data=both)
        assert [f.target for f in found] == [
            "properties.inputData.one.inventory",
            "properties.inputData.two.inventory",
        ]


async def test_globs_on_one_file_are_refused(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        one = file(f"{ROOT}/data/a.csv", include=("*",), exclude=("b",))
        found = await faults(stage, input_data=inputs(data=one))
        assert [f.target for f in found] == [
            "properties.inputData.data.include",
            "properties.inputData.data.exclude",
        ]


async def test_mini_batches_by_bytes_hold_whole_files_up_to_their_size(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_by=MiniBatchBy.BYTES, mini_batch_size=2048)
        sizes = {"a": 1000, "b": 1048, "c": 1, "d": 5000, "e": 0, "f": 2047, "g": 2}
        await stage.upload({name: "x" * (n - 1) + "\n" if n else "" for name, n in sizes.items()})
        view = await ended(stage, input_data=inputs(data="data"))
        cut = await planned(stage, view)
        assert ["".join(f.name for f in some) for some in cut] == ["ab", "c", "d", "ef", "g"]
        assert len(lines(stage, view)) == 6
        assert view.progress is not None
        assert view.progress.tally.succeeded_files == 7


async def test_files_larger_than_a_mini_batch_are_cut_and_small_ones_stay_together(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path, script=csv_rows) as stage:
        await stage.deploy(mini_batch_by=MiniBatchBy.ROWS, mini_batch_size=4)
        counts = {"a.csv": 2, "b.csv": 2, "c.csv": 1, "d.csv": 10, "e.csv": 0, "f.csv": 4}
        await stage.upload({name: rows_of(name, count) for name, count in counts.items()})
        view = await ended(stage, input_data=inputs(data="data"))
        cut = await planned(stage, view)
        assert [[f.name[0] for f in some] for some in cut] == [
            *(["a", "b"], ["c"], ["d"], ["d"], ["d"], ["e"], ["f"]),
        ]
        pieces = [f.piece for some in cut for f in some if f.piece]
        assert [(p.first_row, p.rows) for p in pieces] == [(0, 4), (4, 4), (8, 2)]
        assert lines(stage, view) == [
            f"{name},{n},{name}{n}" for name, count in counts.items() for n in range(count)
        ]
        assert view.job.plan is not None
        assert view.job.plan.bytes == sum(len(rows_of(n, c)) for n, c in counts.items())
        assert (view.job.plan.pieces, view.job.plan.cut_files) == (3, 1)
        assert view.job.plan.whole_and_cut_files == 6
        assert view.progress is not None
        tally = view.progress.tally
        assert (tally.succeeded_files, tally.succeeded_pieces) == (8, 3)
        overview = stage.output(view, f"{view.job.logs_folder}/job_progress_overview.txt").decode()
        assert "files              5: 5 succeeded, 0 failed" in overview
        assert "pieces of files    3, of 1 files: 3 succeeded, 0 failed" in overview


def rows_of(name: str, count: int) -> str:
    return "h\n" + "".join(f"{name}{n}\n" for n in range(count))


async def test_a_failed_piece_stands_in_the_manifest_and_the_others_in_the_output(
    tmp_path: Path,
) -> None:
    def script(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        if any(b"bad" in content for content in files.values()):
            raise ValueError("bad")
        return csv_rows(request, mini_batch, files)

    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_by=MiniBatchBy.ROWS, mini_batch_size=2)
        await stage.upload({"a.csv": "h\n0\n1\n2\nbad\n4\n", "b.csv": "h\n0\n"})
        view = await ended(stage, input_data=inputs(data="data"))
        assert lines(stage, view) == ["a.csv,0,0", "a.csv,1,1", "a.csv,4,4", "b.csv,0,0"]
        manifest = stage.output(view, view.job.output.failures_path).decode().splitlines()
        [failed] = map(json.loads, manifest)
        assert (failed["file"], failed["first_row"], failed["rows"]) == ("a.csv", 2, 2)
        assert view.progress is not None
        tally = view.progress.tally
        assert (tally.failed_files, tally.succeeded_files, view.progress.files) == (1, 3, 4)


async def test_a_job_that_fails_by_a_piece_names_its_rows(tmp_path: Path) -> None:
    def script(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        raise ValueError("bad")

    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_by=MiniBatchBy.ROWS, mini_batch_size=2)
        await stage.upload({"a.csv": "h\n0\n1\n2\n"})
        view = await ended(stage, input_data=inputs(data="data"))
        assert view.job.error is not None
        assert "First to fail: a.csv, rows 0 to 1:" in view.job.error.message


async def test_rows_of_parquet_and_lines_are_counted_without_reading_them_by_a_library(
    tmp_path: Path,
) -> None:
    def script(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        found: list[list[str]] = []
        for name, content in files.items():
            if name.endswith(".parquet"):
                values = parquet.read_table(io.BytesIO(content)).column("n").to_pylist()
            else:
                values = [json.loads(line)["n"] for line in content.splitlines()]
            found += [[name, str(value)] for value in values]
        return Rows(("file", "n"), found)

    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_by=MiniBatchBy.ROWS, mini_batch_size=30)
        table = io.BytesIO()
        parquet.write_table(pa.table({"n": list(range(100))}), table, row_group_size=20)
        await stage.blobs.write(STORE, "data/t.parquet", table.getvalue())
        text = "".join(f'{{"n": {n}}}\n' for n in range(70))
        await stage.upload({"u.jsonl": text})
        view = await ended(stage, input_data=inputs(data="data"))
        assert lines(stage, view) == [
            *(f"t.parquet,{n}" for n in range(100)),
            *(f"u.jsonl,{n}" for n in range(70)),
        ]
        assert view.job.plan is not None
        assert view.job.plan.mini_batches == 4 + 3


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", "x\n", "'a.txt' is none of them"),
        ("a.parquet", "x" * 50, "no Parquet file"),
        ("a.parquet", "", "no Parquet file"),
        ("a.csv", "\ufeff", None),
    ],
)
async def test_a_file_whose_rows_cannot_be_told_apart_fails_the_job_with_its_reason(
    tmp_path: Path, name: str, content: str, why: str | None
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_by=MiniBatchBy.ROWS, mini_batch_size=30)
        await stage.upload({name: content})
        view = await ended(stage, input_data=inputs(data="data"))
        if why is None:
            assert view.job.status is JobStatus.COMPLETED
        else:
            assert view.job.error is not None
            assert why in view.job.error.message


async def test_one_file_whose_rows_cannot_be_told_apart_is_refused_at_once(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_by=MiniBatchBy.ROWS)
        [fault] = await faults(stage, input_data=inputs(data=file(f"{ROOT}/data/a.txt")))
        assert fault.target == "properties.inputData.data.uri"
        assert "'data/a.txt' is none of them" in fault.message


async def test_a_size_goes_with_what_it_counts(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=3)
        for size, by in ((1023, MiniBatchBy.BYTES), (2_000_000, MiniBatchBy.FILES)):
            asked = {"mini_batch_by": by, "mini_batch_size": size}
            [fault] = await faults(stage, input_data=inputs(data="x"), **asked)
            assert fault.target == "properties.miniBatchSize"
            assert f"With miniBatchBy {by.value}" in fault.message
        [fault] = await faults(stage, input_data=inputs(data="x"), mini_batch_size=2_000_000)
        assert "With miniBatchBy Files" in fault.message
        invoked = await stage.invocation.invoke(
            ENDPOINT, over("x", mini_batch_by=MiniBatchBy.ROWS), caller=trusted("me")
        )
        settings = invoked.job.settings
        assert (settings.mini_batch_by, settings.mini_batch_size) == (MiniBatchBy.ROWS, 10_000)


async def test_planning_that_takes_too_long_fails_the_job_with_advice(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, times=JobTimes(plan_limit=0.0)) as stage:
        await stage.deploy()
        await stage.upload({"a.txt": "1\n"})
        view = await ended(stage, input_data=inputs(data="data"))
        assert view.job.error is not None
        assert view.job.error.code == "PlanTooLong"


@pytest.mark.parametrize("seed", range(6))
async def test_pieces_survive_crashes_and_disorder_byte_for_byte(tmp_path: Path, seed: int) -> None:
    files = {
        "a.csv": 'h\r\n"x\r\ny"\r\n"é, ""z"""\r\n' + "".join(f"{n}\r\n" for n in range(40)),
        "b.jsonl": "".join(f'{{"n": {n}}}\n' for n in range(25)) + "{}",
        "c.csv": "h\n1\n",
    }

    async def run(folder: Path, mischief: Mischief | None) -> bytes:
        def script(
            request: UnitRequest, mini_batch: UnitMiniBatch, found: Mapping[str, bytes]
        ) -> Rows:
            return Rows(("file", "text"), [[n, c.decode()] for n, c in found.items()])

        # In every other run units are quick, and come in bundles.
        seconds, workers = ((SLOW, 3), (QUICK, 1))[seed % 2]
        stage = BatchStage(folder, script=script, mischief=mischief, seconds=seconds)
        async with stage:
            await stage.deploy(
                mini_batch_by=MiniBatchBy.ROWS,
                mini_batch_size=7,
                max_concurrency_per_instance=workers,
            )
            await stage.upload(files)
            name = await stage.invoke("data")
            if mischief:
                mischief.crash, mischief.crashes_left = 0.01, 4
                mischief.double = mischief.delay = mischief.slow = 0.2
            await stage.pump()
            shown = await stage.view(name)
            assert shown.job.status is JobStatus.COMPLETED
            assert shown.progress is not None
            assert shown.progress.tally.succeeded_files == shown.progress.files == 11
            return stage.output(shown)

    calm = await run(tmp_path / "calm", None)
    wild = await run(tmp_path / "wild", Mischief(rng=random.Random(seed)))
    assert wild == calm


async def test_what_an_input_may_be_is_told_with_web_addresses(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        for uri in ("data/here", "s3://bucket/here", ""):
            [told] = await faults(stage, input_data={"data": file(uri)})
            assert "azureml:<name>:<version>" in told.message
            assert "one file on the web (https://…)" in told.message
