"""JSON Lines and Parquet as a job leaves them."""

import io
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.jobs.batch_jobs import JobView
from domain.jobs.invoking.job_outputs import OutputInUse
from domain.jobs.records.job_request import RequestedOutput
from domain.jobs.records.job_status import JobStatus
from domain.ports import UnitMiniBatch, UnitRequest
from tests.kit.mischief import Mischief
from tests.kit.script_workers import QUICK, SLOW, Rows
from tests.kit.stages.batch_stage import STORE, BatchStage

FILES = {f"f{i}.txt": f"{i}\n" * (i % 3) for i in range(7)}
PATH = "predictions.parquet"


def values(columns: Mapping[str, Any]) -> Any:
    """A script that gives, for a file, the row that `columns` has under its name."""

    def run(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        rows = [columns[name] for name in files]
        return Rows(tuple(rows[0]), [list(row.values()) for row in rows])

    return run


def manifest(stage: BatchStage, view: JobView) -> dict[str, Any]:
    text = stage.output(view, f"{view.job.output.path}/_manifest.json")
    found: dict[str, Any] = json.loads(text)
    return found


def whole(stage: BatchStage, view: JobView) -> list[dict[str, Any]]:
    """The rows that the manifest names, read as the documentation says."""
    parts = [
        pq.read_table(io.BytesIO(stage.output(view, f"{view.job.output.path}/{part['name']}")))
        for part in manifest(stage, view)["parts"]
    ]
    rows: list[dict[str, Any]] = pa.concat_tables(parts, promote_options="permissive").to_pylist()
    return rows


async def test_json_lines_stand_in_input_order_an_object_a_row(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=2, output_format="Jsonl")
        await stage.upload(FILES)
        job = await stage.invoke()
        await stage.pump()
        view = await stage.view(job)
        assert view.job.output.file_name == "predictions.jsonl"
        rows = [json.loads(line) for line in stage.output(view).splitlines()]
        assert [(row["input_file"], row["line"]) for row in rows] == [
            (name, line) for name, text in FILES.items() for line in text.splitlines()
        ]
        blob = await stage.blobs.properties(STORE, view.job.output.path)
        assert blob.content_type == "application/x-ndjson"


async def test_parquet_is_a_folder_of_parts_in_input_order_with_a_manifest(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=2, output_format="Parquet")
        await stage.upload(FILES)
        job = await stage.invoke()
        await stage.pump()
        view = await stage.view(job)
        assert view.job.output.file_name == PATH
        said = manifest(stage, view)
        assert said["state"] == "complete"
        assert said["rows"] == 6
        assert [part["name"] for part in said["parts"]] == [
            f"part-{unit:08d}.parquet" for unit in (0, 1, 2)
        ]
        assert said["schema"][2] == {"name": "line", "type": "string"}
        there = [blob.name async for blob in stage.blobs.list(STORE, view.job.output.path + "/")]
        assert len(there) == 4
        assert [(row["input_file"], row["line"]) for row in whole(stage, view)] == [
            (name, line) for name, text in FILES.items() for line in text.splitlines()
        ]


async def test_what_a_late_attempt_stages_is_in_no_part(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=7, output_format="Parquet")
        await stage.upload(FILES)
        job = await stage.invoke()
        await stage.pump(lambda: bool(stage.started))
        view = await stage.view(job)
        path = view.job.rows_path(0)
        await stage.pump()
        before = whole(stage, view)
        await stage.blobs.stage_block(STORE, path, "00000000-000009", b"late")
        await stage.application.jobs.supervision.resume(
            (await stage.store.query("batchJob")).documents[0]
        )
        await stage.pump()
        assert whole(stage, view) == before


@pytest.mark.parametrize("seed", range(4))
async def test_a_disturbed_run_leaves_the_same_parts(tmp_path: Path, seed: int) -> None:
    """In every other run units are quick, and come in bundles."""
    seconds, count = ((SLOW, 7), (QUICK, 30))[seed % 2]
    files = {f"f{i:02}.txt": f"{i}\n" * (i % 3) for i in range(count)}
    found = []
    for name, mischief in (
        ("calm", Mischief()),
        (
            "wild",
            Mischief(
                rng=random.Random(seed),
                crash=0.01,
                crashes_left=5,
                double=0.2,
                delay=0.1,
                lose=0.05,
                slow=0.2,
            ),
        ),
    ):
        (tmp_path / name).mkdir()
        async with BatchStage(tmp_path / name, seconds=seconds) as stage:
            await stage.deploy(mini_batch_size=1, output_format="Parquet")
            await stage.upload(files)
            job = await stage.invoke(name="one")
            stage.mischief.__dict__.update(mischief.__dict__)
            await stage.pump()
            stage.mischief.__dict__.update(Mischief().__dict__)
            view = await stage.view(job)
            assert view.job.status is JobStatus.COMPLETED
            folder = stage.folder / "blobs" / STORE / view.job.output.path
            found.append({f.name: f.read_bytes() for f in folder.iterdir()})
    assert found[0] == found[1]


async def test_types_that_one_type_holds_are_joined_and_others_fail(tmp_path: Path) -> None:
    gives: dict[str, dict[str, Any]] = {
        "a": {"x": None, "y": 1},
        "b": {"y": 2.5, "x": "text"},
        "c": {"x": 7, "y": 3},
        "d": {"x": "more", "y": None},
        "e": {"x": "more", "z": 1},
    }
    async with BatchStage(tmp_path, script=values(gives)) as stage:
        await stage.deploy(mini_batch_size=1, output_format="Parquet")
        await stage.upload(dict.fromkeys(gives, "any"))
        job = await stage.invoke()
        await stage.pump()
        view = await stage.view(job)
        assert view.job.status is JobStatus.COMPLETED
        assert manifest(stage, view)["schema"] == [
            {"name": "x", "type": "string"},
            {"name": "y", "type": "double"},
        ]
        assert whole(stage, view) == [
            {"x": None, "y": 1.0},
            {"x": "text", "y": 2.5},
            {"x": "more", "y": None},
        ]
        text = stage.output(view, view.job.output.failures_path).decode()
        failed = {line["file"]: line["error"] for line in map(json.loads, text.splitlines())}
        assert "x has int64 instead of string" in failed["c"]
        assert "lacks y" in failed["e"]
        assert view.progress is not None
        assert (view.progress.tally.failed_files, view.progress.tally.rows) == (2, 3)


async def test_an_output_folder_in_use_is_refused(tmp_path: Path) -> None:
    uri = f"azureml://datastores/{STORE}/paths/mine/out"
    place = {"score": RequestedOutput(uri=uri)}
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(output_format="Parquet")
        await stage.upload(FILES)
        job = await stage.invoke(output_data=place)
        await stage.pump()
        assert len(whole(stage, await stage.view(job))) == 6
        with pytest.raises(OutputInUse):
            await stage.invoke(output_data=place)
