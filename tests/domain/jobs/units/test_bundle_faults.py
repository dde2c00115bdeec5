"""Bundles whose hosts die or race, whose messages come twice or never, over ports that fail."""

import json
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Throttled, Unavailable
from domain.ground.messages import BATCH_JOBS_QUEUE, MINI_BATCHES_QUEUE, ScoreUnit
from domain.jobs.records import batch_job
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_store import JobStore
from domain.jobs.units import bundle_scoring
from domain.jobs.units.unit_delivery import UnitDelivery
from domain.ports import Replace, Write
from tests.domain.jobs.units.bundling import (
    FILES,
    UNHURRIED,
    Around,
    BundleStage,
    doing,
    held_time,
    output_without,
)
from tests.kit.mischief import Mischief
from tests.kit.script_workers import QUICK, FunctionWorkers, Lost, Script, line_counts
from tests.kit.stages.batch_stage import LOCK

SEEDS = range(int(os.environ.get("BATCH_SEEDS", "5")))
BAD = 60


def stumbling(rng: random.Random) -> Script:
    """Cannot read one file; its worker dies now and then, for no fault of the files."""

    def run(name: str) -> None:
        if rng.random() < 0.03:
            raise Lost(blame=False)
        if name == "060.txt":
            raise ValueError("cannot parse")

    return doing(run)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_host_that_dies_at_any_point_of_a_bundle_leaves_each_file_once(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    mischief = Mischief(rng, crash=0.01, double=0.2, delay=0.1, lose=0.1 * (seed % 2), slow=0.02)
    stage = BundleStage(tmp_path, script=stumbling(rng), mischief=mischief)
    async with stage:
        name = await stage.start(max_concurrency_per_instance=rng.choice((1, 3)))
        mischief.crashes_left = 6
        await stage.pump()
        view = await stage.view(name)
        assert stage.bundles
        assert stage.crashes
        assert view.job.status is JobStatus.COMPLETED
        assert view.job.released
        assert stage.output(view) == output_without(BAD)
        assert [failed["file"] for failed in stage.manifest(view)] == ["060.txt"]
        assert view.progress is not None
        tally = view.progress.tally
        assert (tally.succeeded_files, tally.failed_files) == (len(FILES) - 1, 1)
        assert view.progress.recorded == len(FILES)
        assert max(unit.crashes for unit in await stage.all_units()) <= stage.crashes


async def test_a_crash_is_counted_once_for_each_unit_that_was_being_run(tmp_path: Path) -> None:
    def deadly(name: str) -> None:
        if name == "060.txt" and not stage.crashes:
            stage.mischief.dead = True
            stage.mischief.meet()

    stage = BundleStage(tmp_path, script=doing(deadly), at_once=1)
    async with stage:
        view = await stage.run()
        assert stage.crashes == 1
        assert stage.output(view) == output_without()
        [bundle] = [each for each in stage.bundles if BAD in each][:1]
        crashes = {unit.ordinal: unit.crashes for unit in await stage.all_units()}
        assert crashes == {unit: int(unit in bundle) for unit in range(len(FILES))}


async def test_a_unit_that_ends_its_host_each_time_is_given_up_and_its_bundle_gets_through(
    tmp_path: Path,
) -> None:
    def deadly(name: str) -> None:
        if name == "060.txt":
            stage.mischief.dead = True
            stage.mischief.meet()

    stage = BundleStage(tmp_path, script=doing(deadly))
    async with stage:
        view = await stage.run()
        assert stage.is_bundled(BAD)
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == output_without(BAD)
        [failed] = stage.manifest(view)
        assert "times the host ended while it ran this" in failed["error"]
        assert stage.crashes == 11
        crashes = {unit.ordinal: unit.crashes for unit in await stage.all_units()}
        assert crashes.pop(BAD) == 11
        assert max(crashes.values()) < 8, "run apart from the third on"


async def test_units_of_a_bundle_go_apart_once_their_host_has_ended_thrice(tmp_path: Path) -> None:
    async with BundleStage(tmp_path) as stage:
        message = await first_bundle(stage)
        jobs = JobStore(stage.store)
        units = [
            Unit(
                ordinal=unit,
                lease_until=stage.clock.time + 300,
                crashes=2 if unit == message.unit else 0,
                claimed_by="message/1",
            )
            for unit in message.units
        ]
        await jobs.create_units("job", units)
        before = await stage.queue.counts(MINI_BATCHES_QUEUE)
        await stage.application.jobs.units.score(message, "message", redelivered=True)
        after = await stage.queue.counts(MINI_BATCHES_QUEUE)
        assert after.active - before.active == message.count - 1
        assert after.waiting - before.waiting == 1
        found = [await jobs.unit("job", unit) for unit in message.units]
        assert [each.unit.crashes for each in found if each] == [3, *[1] * (message.count - 1)]
        await stage.pump()
        assert stage.output(await stage.view("job")) == output_without()


async def first_bundle(stage: BundleStage, least: int = 4) -> ScoreUnit:
    """A job that is running, and the message of its first large bundle, taken from the queue."""
    await stage.start()
    stage.holds = least
    await stage.pump(until=lambda: stage.held is not None)
    assert stage.held is not None
    return stage.held


async def test_a_bundles_message_that_comes_twice_at_once_changes_nothing(tmp_path: Path) -> None:
    async with BundleStage(tmp_path, mischief=Mischief(double=1.0)) as stage:
        view = await stage.run()
        assert stage.bundles
        assert stage.output(view) == output_without()
        assert len(stage.started) == len(set(stage.started)) == len(FILES)
        assert {(unit.attempt, unit.crashes) for unit in await stage.all_units()} == {(0, 0)}


async def test_a_bundles_message_that_comes_after_its_end_changes_nothing(tmp_path: Path) -> None:
    async with BundleStage(tmp_path) as stage:
        message = await first_bundle(stage)
        sent: Counter[str] = Counter()

        async def count(name: str, queue: str, *messages: Any) -> None:
            sent[queue] += len(messages)

        host = stage.units_on(queue=Around(stage.queue, count))
        await host.score(message, "message")
        before = await stage.all_units()
        sent.clear()
        await host.score(message, "message")
        await host.score(message, "another")
        assert not sent
        await host.score(message, "message", redelivered=True)
        # What its first delivery released may be unsent: one look tells for all of them.
        assert sent == {BATCH_JOBS_QUEUE: 1}
        assert await stage.all_units() == before
        await stage.pump()
        assert stage.output(await stage.view("job")) == output_without()
        assert len(stage.started) == len(set(stage.started)) == len(FILES)


async def test_a_bundle_of_which_somebody_has_touched_a_unit_goes_apart(tmp_path: Path) -> None:
    async with BundleStage(tmp_path) as stage:
        message = await first_bundle(stage)
        await stage.application.jobs.units.score(
            ScoreUnit(job="job", unit=message.unit + 1), "resent"
        )
        await stage.application.jobs.units.score(message, "message")
        await stage.pump()
        assert stage.output(await stage.view("job")) == output_without()
        assert len(stage.started) == len(set(stage.started)) == len(FILES)


async def test_a_lost_message_of_a_unit_is_no_crash_of_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every bundle is taken apart, and one message in five is lost."""
    clock = held_time(monkeypatch, bundle_scoring)

    def dawdle(name: str) -> None:
        clock[0] += UNHURRIED.bundle_limit

    mischief = Mischief(random.Random(1), slow=0.2)
    async with BundleStage(tmp_path, script=doing(dawdle), mischief=mischief) as stage:
        await stage.start()
        mischief.lose = 0.2
        await stage.pump()
        assert stage.output(await stage.view("job")) == output_without()
        units = await stage.all_units()
        assert any(unit.waits > 1 for unit in units)
        assert {(unit.attempt, unit.crashes) for unit in units} == {(0, 0)}
        assert len(stage.started) == len(set(stage.started)) == len(FILES)


def once(chosen: Callable[..., bool], error: Exception) -> Callable[..., Awaitable[None]]:
    """Raises `error` at the first call that is `chosen`."""
    left = [error]

    async def meet(*call: Any) -> None:
        if left and chosen(*call):
            raise left.pop()

    return meet


def records_bundle(name: str, *args: Any) -> bool:
    return name == "transact" and len(args[1]) > 4 and args[1][0].id == batch_job.PROGRESS_ID


def runs_bad(name: str, *args: Any) -> bool:
    return name == "run_unit" and args[1].mini_batches[0].ordinal == BAD


def lends_bad(name: str, *args: Any) -> bool:
    return name == "lend" and any("060.txt" in place for _, place in args[0])


def sends_bundle(name: str, *args: Any) -> bool:
    return name == "send" and any(message.body.get("count", 1) > 4 for message in args[1:])


@pytest.mark.parametrize(
    ("port", "before", "after"),
    [
        ("store", records_bundle, None),
        ("store", None, records_bundle),
        ("queue", sends_bundle, None),
        ("queue", None, sends_bundle),
        ("workers", runs_bad, None),
        ("blobs", lends_bad, None),
    ],
)
@pytest.mark.parametrize("error", [Unavailable("for a moment"), Throttled("for a moment")])
async def test_a_passing_fault_in_a_bundle_is_neither_a_try_nor_a_crash(
    tmp_path: Path, port: str, before: Any, after: Any, error: Exception
) -> None:
    async with BundleStage(tmp_path) as stage:
        around = Around(
            getattr(stage, port),
            before and once(before, error),
            after and once(after, error),
        )
        ports: dict[str, Any] = {port: around}
        stage.score_by(stage.units_on(**ports))
        view = await stage.run()
        assert error.__traceback__ is not None, "it was raised"
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == output_without()
        assert view.job.ended_at is not None
        took = view.job.ended_at - view.job.created_at
        assert took.total_seconds() < 20, "nothing was left to a lease"
        for unit in await stage.all_units():
            assert (unit.crashes, unit.lost_tries) == (0, {})
            assert unit.attempt <= 1


async def test_a_fault_leaves_alone_what_another_delivery_has_taken_up(tmp_path: Path) -> None:
    """The bundle's worker is lost, what is left of it goes out and is claimed; then what went
    well before cannot be recorded."""

    def die(name: str) -> None:
        if name == "060.txt" and not deaths:
            deaths.append(name)
            raise Lost

    deaths: list[str] = []
    taken: list[int] = []
    async with BundleStage(tmp_path, script=doing(die), at_once=1) as stage:

        async def take_and_fail(name: str, *args: Any) -> None:
            if not (deaths and not taken and name == "transact"):
                return
            if not any(write.id == batch_job.PROGRESS_ID for write in args[1]):
                return
            busy = stage.units_on(workers=Around(stage.workers, none_ends))
            for message in await stage.queue.receive(MINI_BATCHES_QUEUE, 100, LOCK):
                asked = ScoreUnit.from_document(json.loads(message.body))
                if asked.attempt is not None:
                    taken.append(asked.unit)
                    with pytest.raises(RuntimeError, match="under way"):
                        await busy.score(asked, message.id)
                    await stage.queue.complete(message.lock_token)
                else:
                    await stage.queue.abandon(message.lock_token)
            raise Unavailable("for a moment")

        async def none_ends(name: str, *args: Any) -> None:
            raise RuntimeError("it is under way")

        stage.score_by(stage.units_on(store=Around(stage.store, take_and_fail)))
        await stage.start()
        await stage.pump(until=lambda: bool(taken))
        assert len(taken) > 2
        for unit in taken:
            found = await JobStore(stage.store).unit("job", unit)
            assert found is not None
            assert not found.unit.parked, "it is still with whoever has claimed it"
            assert found.unit.attempt == 0
        await stage.pump()
        assert stage.output(await stage.view("job")) == output_without()


async def moved(stage: BundleStage, write: Write) -> None:
    """The document of `write` is written by somebody else, as it is."""
    partition = batch_job.partition("job")
    found = await stage.store.get(partition, write.id)
    again = Replace(found.id, found.body, found.etag, due_at=found.due_at)
    await stage.store.transact(partition, [again])


@pytest.mark.parametrize("which", [0, 1, -1])
async def test_a_bundle_over_documents_that_have_moved_is_recorded_all_the_same(
    tmp_path: Path, which: int
) -> None:
    """By another host that records units of the job, say."""
    async with BundleStage(tmp_path) as stage:
        transactions: list[int] = []

        async def move(name: str, *args: Any) -> None:
            if records_bundle(name, *args):
                transactions.append(len(args[1]))
                if len(transactions) % 5 < 3:
                    await moved(stage, args[1][which])

        stage.score_by(stage.units_on(store=Around(stage.store, move)))
        view = await stage.run()
        assert stage.output(view) == output_without()
        assert view.progress is not None
        assert view.progress.recorded == len(FILES)
        assert len(transactions) > 5
        assert len(stage.started) == len(set(stage.started)) == len(FILES)


async def test_of_a_bundle_of_which_another_host_was_faster_the_rest_is_recorded(
    tmp_path: Path,
) -> None:
    async with BundleStage(tmp_path, at_once=1) as stage:
        overtaken: list[int] = []

        async def overtake(name: str, *args: Any) -> None:
            if not overtaken and records_bundle(name, *args):
                unit = int(args[1][2].id.rpartition(":")[2])
                overtaken.append(unit)
                message = (await stage.unit(unit)).claimed_by.rpartition("/")[0]
                await stage.units_on().score(
                    ScoreUnit(job="job", unit=unit), message, redelivered=True
                )

        stage.score_by(stage.units_on(store=Around(stage.store, overtake)))
        view = await stage.run()
        assert stage.output(view) == output_without()
        assert view.progress is not None
        assert view.progress.recorded == len(FILES)
        assert view.progress.tally.rows == len(FILES)
        attempts = {unit.ordinal: unit.attempt for unit in await stage.all_units()}
        assert [unit for unit, attempt in attempts.items() if attempt] == overtaken


class Hosts:
    """Deliveries go to one of several hosts, each with workers of its own."""

    def __init__(self, hosts: list[UnitDelivery], rng: random.Random) -> None:
        self._hosts = hosts
        self._rng = rng

    async def score(self, message: ScoreUnit, id: str, *, redelivered: bool = False) -> None:
        await self._rng.choice(self._hosts).score(message, id, redelivered=redelivered)


@pytest.mark.parametrize("seed", SEEDS)
async def test_hosts_that_share_a_job_run_each_unit_once(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    mischief = Mischief(rng, double=0.3, slow=0.1)
    async with BundleStage(tmp_path, mischief=mischief) as stage:
        hosts = [
            stage.units_on(
                workers=FunctionWorkers(line_counts, mischief, stage.started, QUICK, holder)
            )
            for holder in ("one", "two")
        ]
        stage.score_by(Hosts(hosts, rng))  # type: ignore[arg-type]
        view = await stage.run(max_concurrency_per_instance=2)
        assert stage.bundles
        assert stage.output(view) == output_without()
        assert view.progress is not None
        assert view.progress.recorded == len(FILES)
        assert len(stage.started) == len(set(stage.started)) == len(FILES)
