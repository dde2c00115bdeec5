"""Quick units are bundled, and a job cannot be told from one whose units were not."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from domain.batch.batch_deployment import OutputFormat, RetrySettings
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_times import JobTimes
from domain.jobs.units import bundle_scoring, unit_scoring
from domain.ports import UnitMiniBatch, UnitOutcome, UnitRequest
from tests.domain.jobs.units.bundling import (
    FILES,
    UNHURRIED,
    Around,
    BundleStage,
    doing,
    held_time,
    output_without,
)
from tests.kit.script_workers import QUICK, SLOW, FunctionWorkers, Lost, Rows, Script, line_counts
from tests.kit.stages.batch_stage import STORE

MANY = {f"{i:03d}.txt": f"{i}\n" for i in range(200)}
BAD = 60
"""A file whose unit comes in a bundle, and neither first nor last of it."""


def stumbling(name: str = f"{BAD:03d}.txt") -> Script:
    def fail(found: str) -> None:
        if found == name:
            raise ValueError("cannot parse")

    return doing(fail)


class Dying:
    """A script whose worker is lost at `file`, `times` times."""

    def __init__(self, file: str, times: int, *, blame: bool) -> None:
        self._file = file
        self._left = times
        self._blame = blame

    def __call__(
        self, request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        if self._file in files and self._left:
            self._left -= 1
            raise Lost(blame=self._blame)
        return line_counts(request, mini_batch, files)


async def scored(folder: Path, seconds: float, **settings: Any) -> tuple[Any, ...]:
    """What a job leaves of which some files cannot be read."""
    folder.mkdir()
    bad = ("013.txt", "014.txt", "077.txt", "199.txt")

    def fail(name: str) -> None:
        if name in bad:
            raise ValueError(f"cannot read {name}")

    async with BundleStage(folder, script=doing(fail), seconds=seconds) as stage:
        view = await stage.run(MANY, **settings)
        assert bool(stage.bundles) == (seconds == QUICK)
        assert view.progress is not None
        progress = view.progress.to_document()
        for paced in ("bundle", "marks"):
            del progress[paced]
        units = [each.but(claimed_by="", lease_until=0).record for each in await stage.all_units()]
        outputs = {
            path: stage.output(view, path)
            for path in (view.job.output.path, view.job.output.failures_path)
            if stage.has(view, path)
        }
        records = [unit.but(seconds=0) for unit in units if unit is not None]
        return view.job.status, progress, records, outputs


@pytest.mark.parametrize("output_format", [OutputFormat.CSV, OutputFormat.TEXT, OutputFormat.JSONL])
async def test_results_counts_and_manifest_are_those_of_slow_units(
    tmp_path: Path, output_format: OutputFormat
) -> None:
    slow = await scored(tmp_path / "slow", SLOW, output_format=output_format)
    assert await scored(tmp_path / "quick", QUICK, output_format=output_format) == slow
    assert slow[0] is JobStatus.COMPLETED


async def test_bundles_take_far_fewer_messages_and_transactions_than_units(tmp_path: Path) -> None:
    async with BundleStage(tmp_path) as stage:
        counts: Counter[str] = Counter()

        async def count(name: str, *args: Any) -> None:
            counts[name] += len(args) - 1 if name == "send" else 1

        stage.score_by(
            stage.units_on(store=Around(stage.store, count), queue=Around(stage.queue, count))
        )
        view = await stage.run(MANY)
        assert view.job.status is JobStatus.COMPLETED
        assert max(map(len, stage.bundles)) == 16
        assert counts["send"] < len(MANY) / 4
        assert counts["transact"] < len(MANY) / 3
        assert counts["get"] < len(MANY) / 3
        assert len(stage.started) == len(set(stage.started)) == len(MANY)
        assert {unit.crashes + unit.attempt + unit.waits for unit in await stage.all_units()} == {0}


async def test_a_mini_batch_that_fails_in_a_bundle_fails_alone(tmp_path: Path) -> None:
    async with BundleStage(tmp_path, script=stumbling()) as stage:
        view = await stage.run(retry_settings=RetrySettings(max_retries=2))
        assert stage.is_bundled(BAD)
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == output_without(BAD)
        [failed] = stage.manifest(view)
        assert (failed["file"], failed["attempts"]) == ("060.txt", 3)
        assert len(stage.started) == len(set(stage.started)) == len(FILES)


@pytest.mark.parametrize("blame", [True, False])
async def test_a_worker_lost_in_a_bundle_costs_one_unit_one_try(
    tmp_path: Path, blame: bool
) -> None:
    script = Dying(f"{BAD:03d}.txt", 2, blame=blame)
    async with BundleStage(tmp_path, script=script) as stage:
        view = await stage.run(retry_settings=RetrySettings(max_retries=2))
        assert stage.is_bundled(BAD)
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == output_without()
        for unit in await stage.all_units():
            hit = unit.ordinal == BAD
            assert unit.attempt == (2 if hit else 0)
            assert unit.lost_tries == ({BAD: 2} if hit and blame else {})
            assert unit.crashes == 0
        assert len(stage.started) == len(FILES) + 2


async def test_a_mini_batch_that_costs_its_worker_each_time_is_given_up_alone(
    tmp_path: Path,
) -> None:
    script = Dying(f"{BAD:03d}.txt", 99, blame=True)
    async with BundleStage(tmp_path, script=script) as stage:
        view = await stage.run(retry_settings=RetrySettings(max_retries=2))
        assert stage.is_bundled(BAD)
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == output_without(BAD)
        [failed] = stage.manifest(view)
        assert (failed["file"], failed["attempts"]) == ("060.txt", 3)
        assert failed["error"] == "the worker died"


async def test_a_file_that_changes_or_goes_while_its_bundle_runs_fails_alone(
    tmp_path: Path,
) -> None:
    place = tmp_path / "blobs" / STORE / "data"

    def change(name: str) -> None:
        if name == "060.txt":
            (place / name).write_text("changed while it was scored\n")
            (place / "061.txt").unlink()

    async with BundleStage(tmp_path, script=doing(change)) as stage:
        view = await stage.run()
        assert stage.is_bundled(60)
        assert stage.is_bundled(61)
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == output_without(60, 61)
        changed, gone = stage.manifest(view)
        assert "'060.txt' was changed after the job was planned" in changed["error"]
        assert "'061.txt' was removed after the job was planned" in gone["error"]
        # Nothing but that file's own unit was run again, and that without it.
        again = Counter(attempt.rpartition("-")[0] for attempt in stage.started)
        assert {count for unit, count in again.items() if not unit.endswith("61")} == {1}


async def test_what_a_bundle_has_no_time_for_goes_by_messages_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From half of the job on, each bundle's first unit takes all the time there is."""
    clock = held_time(monkeypatch, bundle_scoring)

    def dawdle(name: str) -> None:
        clock[0] += UNHURRIED.bundle_limit * (name > "040.txt")

    async with BundleStage(tmp_path, script=doing(dawdle)) as stage:
        view = await stage.run()
        assert stage.bundles
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == output_without()
        assert len(stage.started) == len(set(stage.started)) == len(FILES)
        assert {(unit.attempt, unit.crashes) for unit in await stage.all_units()} == {(0, 0)}


async def test_a_unit_that_takes_its_time_holds_up_none_of_its_bundle(tmp_path: Path) -> None:
    """The others are recorded, or free for anybody to run, before it is waited for."""
    async with BundleStage(tmp_path) as stage:
        workers = stage.workers
        waits: list[float] = []

        class Slow(FunctionWorkers):
            async def run_unit(
                self, key: str, request: UnitRequest, *, wait: float
            ) -> UnitOutcome | None:
                if request.mini_batches[0].ordinal != BAD:
                    return await workers.run_unit(key, request, wait=wait)
                waits.append(wait)
                if len(waits) == 1:
                    return None
                [bundle] = [each for each in stage.bundles if BAD in each]
                for unit in (await stage.all_units())[bundle.start : bundle.stop]:
                    assert unit.ordinal == BAD or unit.record is not None or unit.parked
                return await workers.run_unit(key, request, wait=wait)

        stage.score_by(stage.units_on(workers=Slow(stage.script, stage.mischief, [])))
        view = await stage.run()
        assert stage.is_bundled(BAD)
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == output_without()
        first, then = waits
        assert first <= UNHURRIED.bundle_limit < then <= UNHURRIED.wait_limit
        assert len(stage.started) == len(set(stage.started)) == len(FILES)
        assert {unit.waits for unit in (await stage.all_units())[: BAD + 1]} == {0}


async def test_bundles_that_come_near_their_time_become_smaller_before_they_are_taken_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script says it took no time, but all around it does: 16 units would take 0.96 s."""
    clock = held_time(monkeypatch, bundle_scoring, unit_scoring)

    def dawdle(name: str) -> None:
        if name >= "060.txt":
            clock[0] += 0.06

    times = JobTimes(bundle_limit=0.5)
    async with BundleStage(tmp_path, script=doing(dawdle), times=times, at_once=1) as stage:
        view = await stage.run(MANY)
        assert stage.output(view) == output_without(files=MANY)
        parked = {unit.ordinal for unit in await stage.all_units() if unit.waits}
        apart = [each for each in stage.bundles if parked & set(each)]
        # Those that were in flight when it began.
        assert {len(each) for each in apart} == {16}
        assert 1 <= len(apart) <= 3
        later = [len(each) for each in stage.bundles if each.start > apart[-1].start]
        assert 4 <= max(later) <= 8
        assert len(stage.started) == len(set(stage.started)) == len(MANY)


async def test_a_unit_that_has_not_ended_when_waiting_ends_goes_on_as_the_same_attempt(
    tmp_path: Path,
) -> None:
    async with BundleStage(tmp_path) as stage:
        stage.mischief.slow = 0.1
        view = await stage.run()
        assert stage.bundles
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == output_without()
        assert len(stage.started) == len(set(stage.started)) == len(FILES)
        assert {(unit.attempt, unit.crashes) for unit in await stage.all_units()} == {(0, 0)}


async def test_a_threshold_crossed_inside_a_bundle_ends_the_job_with_exact_counts(
    tmp_path: Path,
) -> None:
    def fail(name: str) -> None:
        if name in ("055.txt", "061.txt", "062.txt", "063.txt"):
            raise ValueError("cannot parse")

    async with BundleStage(tmp_path, script=doing(fail)) as stage:
        view = await stage.run(error_threshold=2)
        assert all(map(stage.is_bundled, (61, 62, 63)))
        assert view.job.status is JobStatus.FAILED
        assert view.job.error is not None
        assert view.job.error.code == "ErrorThresholdExceeded"
        assert view.progress is not None
        records = [unit.record for unit in await stage.all_units() if unit.record is not None]
        tally = view.progress.tally
        assert view.progress.recorded == len(records)
        assert tally.failed_files == 3 == sum(record.tally.failed_files for record in records)
        assert tally.rows == sum(record.tally.rows for record in records)
        assert tally.rows == stage.output(view).count(b"\n") - 1
        assert len(stage.manifest(view)) == 3


@pytest.mark.parametrize("taken_away", [True, False])
async def test_a_canceled_job_stops_within_its_bundle(tmp_path: Path, taken_away: bool) -> None:
    """`taken_away`: the workers are gone before the bundle has ended."""
    async with BundleStage(tmp_path) as stage:
        canceled: list[str] = []

        async def cancel(name: str, key: str, request: Any) -> None:
            if name == "run_unit" and request.mini_batches[0].ordinal == BAD:
                assert stage.is_bundled(BAD)
                await stage.jobs.cancel("job")
                canceled.extend(stage.started)

        script = stage.script

        def lost(request: UnitRequest, batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
            if canceled and taken_away:
                raise Lost(blame=False)
            return script(request, batch, files)

        stage.workers.script = lost
        stage.score_by(stage.units_on(workers=Around(stage.workers, cancel)))
        view = await stage.run()
        assert view.job.status is JobStatus.CANCELED
        assert view.job.released
        after = len(stage.started) - len(canceled)
        # One for each delivery there is at once, or at most all that are in flight.
        assert after <= (4 if taken_away else 32)
        assert view.progress is not None
        recorded = {u.ordinal for u in await stage.all_units() if u.record is not None}
        assert BAD not in recorded
        assert view.progress.recorded == len(recorded)
        assert stage.output(view) == output_without(*set(range(len(FILES))) - recorded)
        assert (await stage.queue.counts("mini-batches")).active == 0
