"""Dropped blobs become one job, each blob once, whatever happens between."""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest

from domain.drops import blob_drop
from domain.drops.blob_drop import BlobDrop, Captured, DropState, is_input, is_marker
from domain.drops.drop_limits import MOST_FILES, DropLimits
from domain.jobs.records.job_status import JobStatus
from domain.ports import BlobProperties, Replace
from infra.settings.features import DropSettings
from tests.domain.drops.dropping import INBOX, arrive, drop, jobs, scored, tell
from tests.kit.mischief import Crash, Mischief
from tests.kit.script_workers import QUICK, SLOW
from tests.kit.stages.batch_stage import ENDPOINT, BatchStage

SEEDS = range(int(os.environ.get("BATCH_SEEDS", "8")))


LIMITS = DropLimits(quiet_period=2, max_wait=100, max_files=MOST_FILES, max_bytes=None)


async def test_files_dropped_together_become_one_job(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await drop(stage, "b.txt", "a.txt", "deep/c.txt")
        await stage.pump()
        [view] = await jobs(stage)
        assert view.job.status is JobStatus.COMPLETED
        assert [line.split(",")[0] for line in stage.output(view).decode().splitlines()] == [
            "input_file",
            "a.txt",
            "b.txt",
            "deep/c.txt",
        ]


async def test_a_drop_waits_until_it_is_quiet_but_not_forever(tmp_path: Path) -> None:
    settings = DropSettings(quiet_period=4, max_wait=20)
    async with BatchStage(tmp_path, drops=settings) as stage:
        await stage.deploy()
        begun = stage.clock.time
        for i in range(8):
            await drop(stage, f"{i}.txt")
            until = stage.clock.time + 3
            await stage.pump(until=lambda: stage.clock.time >= until)  # noqa: B023
        await stage.pump()
        first, second = sorted(await jobs(stage), key=lambda v: v.job.created_at)
        assert 20 <= first.job.created_at.timestamp() - begun <= 21
        assert scored(stage, [first]) == [f"{i}.txt" for i in range(7)]
        assert scored(stage, [second]) == ["7.txt"]


class Once:
    """False the first time it is asked: the pump delivers what is there now."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        asked, self.asked = self.asked, True
        return asked


async def test_a_marker_seals_at_once_and_is_no_input(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, drops=DropSettings(quiet_period=1000)) as stage:
        await stage.deploy()
        begun = stage.clock.time
        await drop(stage, "a.txt")
        await stage.blobs.write(INBOX, f"{ENDPOINT}/untold.txt", b"x\n")
        await drop(stage, "_SUCCESS", content="")
        await stage.pump(until=lambda: len(stage.started) > 0)
        assert stage.clock.time - begun < 10
        await stage.pump()
        await tell(stage, "untold.txt")
        await stage.pump()
        [view] = await jobs(stage)
        assert scored(stage, [view]) == ["a.txt", "untold.txt"]


async def test_a_marker_alone_starts_no_job_and_leaves_nothing_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await drop(stage, "_SUCCESS", content="")
        await stage.pump()
        assert await jobs(stage) == []
        assert "had no file to score: no job" in caplog.text
        await drop(stage, "a.txt")
        await stage.pump()
        assert len(await jobs(stage)) == 1


async def test_late_files_start_the_next_drop_and_none_is_scored_twice(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await drop(stage, "a.txt", "b.txt")
        await stage.pump()
        for name in ("a.txt", "b.txt"):
            await tell(stage, name)
        await drop(stage, "c.txt")
        await stage.pump()
        first, second = sorted(await jobs(stage), key=lambda v: v.job.created_at)
        assert scored(stage, [first]) == ["a.txt", "b.txt"]
        assert scored(stage, [second]) == ["c.txt"]


@pytest.mark.parametrize("again", range(8))
async def test_of_forms_that_came_at_one_moment_the_one_still_there_is_scored(
    tmp_path: Path, again: int
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await drop(stage, "a.txt", content="one\n")
        await drop(stage, "a.txt", content="two\n")
        await stage.pump()
        [view] = await jobs(stage)
        assert b"a.txt,0,two,3" in stage.output(view)


async def test_a_changed_blob_is_scored_again_and_only_its_last_form(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await drop(stage, "a.txt", content="one\n")
        await drop(stage, "a.txt", content="two\n")
        await stage.pump()
        [view] = await jobs(stage)
        assert b"a.txt,0,two,3" in stage.output(view)
        await drop(stage, "a.txt", content="three\n")
        await stage.pump()
        assert len(await jobs(stage)) == 2
        assert scored(stage, await jobs(stage)) == ["a.txt", "a.txt"]


async def test_files_for_an_endpoint_that_is_not_there_wait_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with BatchStage(tmp_path) as stage:
        await drop(stage, "a.txt")
        begun = stage.clock.time
        await stage.pump(until=lambda: stage.clock.time > begun + 500)
        assert "Files dropped for endpoint 'irises' wait: Batch endpoint 'irises'" in caplog.text
        assert caplog.text.count("wait: Batch endpoint") == 1
        await drop(stage, "b.txt")
        await stage.put_endpoint()
        await stage.pump(until=lambda: stage.clock.time > begun + 900)
        assert "No valid deployments to route to" in caplog.text
        await stage.assets_and_deployment()
        await stage.pump()
        [view] = await jobs(stage)
        assert scored(stage, [view]) == ["a.txt", "b.txt"]


async def test_a_drops_job_is_the_same_for_a_host_that_came_up_on_another_port(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await drop(stage, "a.txt", "b.txt")

        async def die(name: str, *args: Any) -> None:
            # The job has been asked for, and the drop does not say so yet.
            writes = args[1] if name == "transact" else ()
            kinds = {write.body["kind"] for write in writes if isinstance(write, Replace)}
            if blob_drop.ARRIVAL_KIND in kinds:
                stage.mischief.before = None
                stage.base_url = "https://example.test:50123"
                stage.mischief.dead = True
                raise Crash

        stage.mischief.before = die
        await stage.pump()
        assert stage.crashes == 1
        [view] = await jobs(stage)
        assert [each.uri for each in view.job.inputs] == [
            f"azureml://datastores/batchinbox/paths/{ENDPOINT}"
        ]
        assert scored(stage, [view]) == ["a.txt", "b.txt"]
        assert not [message for message in caplog.messages if "wait" in message]


async def test_a_drop_larger_than_allowed_goes_on_in_the_next(tmp_path: Path) -> None:
    async with BatchStage(tmp_path, drops=DropSettings(max_files=3)) as stage:
        await stage.deploy()
        await drop(stage, *(f"{i}.txt" for i in range(7)))
        await stage.pump()
        views = await jobs(stage)
        assert sorted(v.job.plan.files for v in views if v.job.plan) == [1, 3, 3]
        assert scored(stage, views) == [f"{i}.txt" for i in range(7)]


async def test_what_lies_outside_any_endpoints_folder_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with BatchStage(tmp_path) as stage:
        for name in ("stray.txt", "a b/stray.txt", f"{ENDPOINT}/gone.txt"):
            gone = BlobProperties(name, 1, "an etag", stage.clock.now())
            await stage.host.arrive(stage.blobs, INBOX, gone)
        assert caplog.text.count("outside any endpoint's folder") == 2
        assert not await stage.store.due(1e12)


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_dropped_file_is_scored_once_whatever_happens(
    tmp_path: Path, seed: int
) -> None:
    """In every other run units are quick, and come in bundles if a job has enough of them."""
    rng = random.Random(seed)
    mischief = Mischief(rng, crash=0.02, double=0.3, delay=0.2, lose=0.1 * (seed % 3 == 0))
    settings = DropSettings(quiet_period=2, max_wait=30, max_files=(200, 5)[seed // 2 % 2])
    seconds, size, workers = ((SLOW, 3, 2), (QUICK, 1, 1))[seed % 2]
    stage = BatchStage(tmp_path, mischief=mischief, drops=settings, seconds=seconds)
    async with stage:
        await stage.deploy(mini_batch_size=size, max_concurrency_per_instance=workers)
        mischief.crashes_left = 6
        names = [f"{i % 4}/{i:02d}.txt" for i in range(16)]
        while names:
            some = [names.pop() for _ in range(min(len(names), rng.randrange(1, 6)))]
            for name in some:
                await stage.blobs.write(INBOX, f"{ENDPOINT}/{name}", b"x\n")
            for name in rng.sample(some, len(some)) + rng.sample(some, rng.randrange(len(some))):
                await tell(stage, name)
            stage.clock.time += rng.choice((0, 1, 5))
            if rng.random() < 0.3:
                await drop(stage, "_SUCCESS", content=str(len(names)))
            await stage.pump(until=Once())
        await stage.pump()
        views = await jobs(stage)
        assert {v.job.status for v in views} == {JobStatus.COMPLETED}
        assert scored(stage, views) == sorted(f"{i % 4}/{i:02d}.txt" for i in range(16))


async def test_many_may_arrive_at_once(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=50)
        names = [f"{i:03d}.txt" for i in range(150)]
        for name in names:
            await stage.blobs.write(INBOX, f"{ENDPOINT}/{name}", b"x\n")
        await asyncio.gather(*(arrive(stage, f"{ENDPOINT}/{name}") for name in names))
        await stage.pump()
        [view] = await jobs(stage)
        assert scored(stage, [view]) == names


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.csv", True),
        ("deep/a.csv", True),
        (".hidden", False),
        (".folder/a.csv", False),
        ("a.tmp", False),
        ("a.csv.PART", False),
        ("a.csv~", False),
        ("deep/_SUCCESS", False),
        ("_success.csv", True),
    ],
)
def test_hidden_and_temporary_names_are_no_input(name: str, wanted: bool) -> None:
    assert is_input(name) is wanted


def test_only_the_whole_name_makes_a_marker() -> None:
    assert is_marker("a/_SUCCESS")
    assert not is_marker("a/_SUCCESS.txt")


def test_a_drop_gathers_is_sealed_and_the_next_one_begins() -> None:
    idle = BlobDrop(endpoint="e")
    gathering = idle.touched(10, None)
    assert gathering.state is DropState.GATHERING
    assert gathering.seal_at(LIMITS) == 12
    assert gathering.touched(11.5, None).seal_at(LIMITS) == 13.5
    assert gathering.touched(500, None).seal_at(LIMITS) == 110
    assert gathering.touched(11, "e/_SUCCESS").seal_at(LIMITS) == 11
    slow = idle.touched(10, None, landed=7)
    assert slow.seal_at(LIMITS) == 11
    assert slow.touched(12, None, landed=8).seal_at(LIMITS) == 13
    sealed = gathering.sealed(Captured("m", 3, "e"))
    assert sealed.touched(20, None).pending
    assert sealed.closed(30).state is DropState.IDLE
    after = sealed.touched(20, "e/_SUCCESS").closed(30)
    assert (after.state, after.marker) == (DropState.GATHERING, "e/_SUCCESS")
    assert after.id != sealed.id
    assert sealed.closed(30, files=1).state is DropState.GATHERING


def test_an_arrival_is_known_by_name_and_etag() -> None:
    ids = {
        blob_drop.arrival_id(n, e) for n, e in (("a", "1"), ("a", "2"), ("b", "1"), ("a\n1", ""))
    }
    assert len(ids) == 4


async def test_a_drop_waits_for_room_and_says_so(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        stage.room.is_full = True
        await drop(stage, "a.txt")
        until = stage.clock.time + 100
        await stage.pump(until=lambda: stage.clock.time >= until)
        assert await jobs(stage) == []
        told = [blob.name async for blob in stage.blobs.list(INBOX)]
        assert "irises/_endpoint.error.txt" in told
        stage.room.is_full = False
        await stage.pump()
        [view] = await jobs(stage)
        assert scored(stage, [view]) == ["a.txt"]
