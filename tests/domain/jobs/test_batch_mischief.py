"""Whatever crashes, repeats, reorders or is lost: each input file's rows stand in the output
once, in input order, or the file stands in the failure manifest. BATCH_SEEDS asks for more."""

import csv
import io
import os
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from domain.jobs.batch_unit import block_id
from domain.jobs.job_status import JobStatus
from domain.ports import UnitMiniBatch, UnitRequest
from tests.batch_stage import BatchStage, Lost, Mischief, Rows, Script, line_counts

SEEDS = range(int(os.environ.get("BATCH_SEEDS", "8")))
FILES = {f"{i % 3}/part-{i:02d}.txt": f"{i} one\n{i} two\n" for i in range(17)}
BAD = {"0/part-06.txt", "2/part-11.txt"}


def scripted(rng: random.Random) -> Script:
    """Fails on some files always; now and then its worker dies, for no fault of the files."""

    def run(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        if rng.random() < 0.1:
            raise Lost(blame=False)
        bad = BAD & set(files)
        if bad:
            raise ValueError(f"cannot read {min(bad)}")
        return line_counts(request, mini_batch, files)

    return run


async def result_of(folder: Path, mischief: Mischief, **settings: int) -> tuple[bytes, bytes]:
    most_units = settings.pop("most_units", 40_000)
    stage = BatchStage(
        folder, script=scripted(mischief.rng), mischief=mischief, most_units=most_units
    )
    async with stage:
        await stage.deploy(mini_batch_size=2, max_concurrency_per_instance=3, **settings)
        await stage.upload(FILES)
        name = await stage.invoke(name="job")
        mischief.crashes_left = mischief.rng.randrange(1, 6) if mischief.crash else 0
        await stage.pump()
        view = await stage.view(name)
        assert view.job.status is JobStatus.COMPLETED
        assert view.job.released
        assert view.progress is not None
        tally = view.progress.tally
        assert view.progress.recorded == view.progress.units
        assert tally.succeeded_files + tally.failed_files == len(FILES)
        assert (tally.succeeded_mini_batches, tally.failed_mini_batches) == (7, 2)
        output = stage.output(view)
        assert tally.rows == len(output.splitlines()) - 1
        return output, stage.output(view, view.job.output.failures_path)


def troubled(seed: int) -> Mischief:
    rng = random.Random(seed)
    kind = rng.randrange(4)
    return Mischief(
        rng,
        crash=0.02 if kind != 1 else 0.0,
        double=0.3 if kind != 2 else 0.0,
        delay=0.2,
        lose=0.15 if kind == 3 else 0.0,
        slow=0.2,
    )


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_output_is_that_of_an_undisturbed_run(tmp_path: Path, seed: int) -> None:
    most_units = (40_000, 40_000, 3)[seed % 3]
    (tmp_path / "calm").mkdir()
    (tmp_path / "wild").mkdir()
    calm = await result_of(tmp_path / "calm", Mischief(random.Random(seed)), most_units=most_units)
    wild = await result_of(tmp_path / "wild", troubled(seed), most_units=most_units)
    assert wild == calm


@pytest.mark.parametrize("seed", SEEDS)
async def test_rows_are_those_of_the_recorded_attempt(tmp_path: Path, seed: int) -> None:
    """A script that never gives the same twice: no block of another attempt gets in."""

    def run(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        rows = [[name, "0", request.attempt_id] for name in files]
        return Rows(("input_file", "input_row", "attempt"), rows)

    mischief = troubled(seed)
    async with BatchStage(tmp_path, script=run, mischief=mischief) as stage:
        await stage.deploy(mini_batch_size=1, max_concurrency_per_instance=4)
        await stage.upload(FILES)
        name = await stage.invoke()
        mischief.crashes_left = 4
        await stage.pump()
        view = await stage.view(name)
        assert view.job.status is JobStatus.COMPLETED
        recorded = {d.body["unit"]["ordinal"]: d.body["unit"] for d in await stage.units(name)}
        rows = list(csv.DictReader(io.StringIO(stage.output(view).decode())))
        assert [row["input_file"] for row in rows] == sorted(FILES)
        for ordinal, row in enumerate(rows):
            won = recorded[ordinal]["record"]["block"]["id"]
            assert row["attempt"] == f"{name}/{won}"
            assert won == block_id(ordinal, recorded[ordinal]["attempt"])
