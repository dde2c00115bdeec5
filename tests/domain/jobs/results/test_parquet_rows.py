"""Rows of a Parquet file among what a job has written."""

import io
from pathlib import Path

import pyarrow
import pyarrow.parquet

from domain.jobs.results.job_results import JobResults
from infra.rules.tables.parquet_process import ParquetProcess, installed
from tests.kit.stages.batch_stage import BatchStage
from tests.kit.waiting import PATIENCE


async def test_columns_and_rows_are_told_with_how_many_there_are(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload({"a.txt": "1\n"})
        name = await stage.invoke()
        await stage.pump()
        job = (await stage.view(name)).job
        file = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table({"id": [1, 2, 3], "of": ["a", "b", "c"]}), file)
        place = f"{job.logs_folder}/part.parquet"
        await stage.blobs.write(job.output.container, place, file.getvalue())
        parquet = ParquetProcess(installed("pyarrow"), patience=PATIENCE)
        results = JobResults(stage.jobs, stage.blobs, parquet)
        found = await results.first_rows(name, "logs", "part.parquet", 2)
    assert (found.kind, found.total, found.is_whole) == ("parquet", 3, False)
    assert (found.columns, found.rows, found.why) == (["id", "of"], [[1, "a"], [2, "b"]], None)
