"""Whatever crashes, repeats, reorders or is lost: each input file's rows stand in the output
once, in input order, or the file stands in the failure manifest. BATCH_SEEDS asks for more.

In every other run scripts take no time, and there are enough files for bundles of units."""

import csv
import io
import os
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from domain.jobs.records.batch_unit import block_id
from domain.jobs.records.job_status import JobStatus
from domain.ports import UnitMiniBatch, UnitRequest
from tests.kit.mischief import Mischief
from tests.kit.script_workers import QUICK, SLOW, Lost, Rows, Script, line_counts
from tests.kit.stages.batch_stage import BatchStage

SEEDS = range(int(os.environ.get("BATCH_SEEDS", "8")))
MANY = {f"{i % 3}/part-{i:02d}.txt": f"{i} one\n{i} two\n" for i in range(61)}
FEW = dict(list(MANY.items())[:17])
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


def stage_of(
    folder: Path, script: Script, mischief: Mischief, *, quick: bool, most_units: int = 40_000
) -> BatchStage:
    seconds = QUICK if quick else SLOW
    return BatchStage(
        folder, script=script, mischief=mischief, most_units=most_units, seconds=seconds
    )


async def result_of(
    folder: Path, mischief: Mischief, *, most_units: int, quick: bool
) -> tuple[bytes, bytes]:
    files, workers = (MANY, 1) if quick else (FEW, 3)
    script = scripted(mischief.rng)
    async with stage_of(folder, script, mischief, quick=quick, most_units=most_units) as stage:
        await stage.deploy(mini_batch_size=2, max_concurrency_per_instance=workers)
        await stage.upload(files)
        name = await stage.invoke(name="job")
        mischief.crashes_left = mischief.rng.randrange(1, 6) if mischief.crash else 0
        await stage.pump()
        view = await stage.view(name)
        assert view.job.status is JobStatus.COMPLETED
        assert view.job.released
        assert view.progress is not None
        tally = view.progress.tally
        assert view.progress.recorded == view.progress.units
        assert tally.succeeded_files + tally.failed_files == len(files)
        assert (tally.failed_files, tally.failed_mini_batches) == (2, 0)
        assert tally.succeeded_mini_batches == (len(files) + 1) // 2
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
    calm = Mischief(random.Random(seed))
    quick = bool(seed % 2)
    expected = await result_of(tmp_path / "calm", calm, most_units=most_units, quick=quick)
    found = await result_of(tmp_path / "wild", troubled(seed), most_units=most_units, quick=quick)
    assert found == expected


@pytest.mark.parametrize("seed", SEEDS)
async def test_rows_are_those_of_the_recorded_attempt(tmp_path: Path, seed: int) -> None:
    """A script that never gives the same twice: no block of another attempt gets in."""

    def run(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        rows = [[name, "0", request.attempt_id] for name in files]
        return Rows(("input_file", "input_row", "attempt"), rows)

    mischief = troubled(seed)
    quick = bool(seed % 2)
    files, workers = (MANY, 1) if quick else (FEW, 4)
    async with stage_of(tmp_path, run, mischief, quick=quick) as stage:
        await stage.deploy(mini_batch_size=1, max_concurrency_per_instance=workers)
        await stage.upload(files)
        name = await stage.invoke()
        mischief.crashes_left = 4
        await stage.pump()
        view = await stage.view(name)
        assert view.job.status is JobStatus.COMPLETED
        recorded = {d.body["unit"]["ordinal"]: d.body["unit"] for d in await stage.units(name)}
        rows = list(csv.DictReader(io.StringIO(stage.output(view).decode())))
        assert [row["input_file"] for row in rows] == sorted(files)
        for ordinal, row in enumerate(rows):
            won = recorded[ordinal]["record"]["block"]["id"]
            assert row["attempt"] == f"{name}/{won}"
            assert won == block_id(ordinal, recorded[ordinal]["attempt"])
