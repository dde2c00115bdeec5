"""Arrivals are kept for as long as their blobs lie in the inbox, and no longer."""

from pathlib import Path

import pytest

from domain.assets.datastore import SYSTEM_CONTAINER
from domain.drops import blob_drop, taken_drops
from domain.drops.blob_drop import arrival_of
from domain.drops.taken_drops import LOOK_EVERY
from domain.jobs.batch_jobs import JobChoice
from domain.ports import Replace
from tests.domain.drops.dropping import INBOX, arrive
from tests.kit.stages.batch_stage import ENDPOINT, BatchStage


async def drop(stage: BatchStage, *names: str) -> None:
    for name in names:
        await stage.blobs.write(INBOX, f"{ENDPOINT}/{name}", b"x\n")
        await arrive(stage, f"{ENDPOINT}/{name}")
    await stage.pump()


async def kept(stage: BatchStage) -> list[str]:
    page = await stage.store.query(blob_drop.ARRIVAL_KIND, page_size=1000)
    return sorted(arrival_of(d).name.partition("/")[2] for d in page.documents)


async def manifests(stage: BatchStage) -> list[str]:
    return [blob.name async for blob in stage.blobs.list(SYSTEM_CONTAINER, "drops/")]


async def a_week_later(stage: BatchStage) -> None:
    stage.clock.time += LOOK_EVERY + 1
    await stage.pump()


async def jobs(stage: BatchStage) -> int:
    return len((await stage.jobs.list(100, None, JobChoice()))[0])


async def test_what_lies_in_the_inbox_is_never_scored_again_and_what_is_gone_is_forgotten(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await drop(stage, "a.txt", "b.txt", "c.txt")
        await stage.blobs.delete(INBOX, f"{ENDPOINT}/a.txt")
        await stage.blobs.write(INBOX, f"{ENDPOINT}/b.txt", b"another\n")
        assert await kept(stage) == ["a.txt", "b.txt", "c.txt"], "news of it may still come"
        for _ in range(3):
            await a_week_later(stage)
            assert await kept(stage) == ["c.txt"]
            assert len(await manifests(stage)) == 2
        await arrive(stage, f"{ENDPOINT}/c.txt")
        await stage.pump()
        assert await jobs(stage) == 1
        await stage.blobs.delete(INBOX, f"{ENDPOINT}/c.txt")
        await a_week_later(stage)
        assert await kept(stage) == await manifests(stage) == []
        assert not (await stage.store.query(taken_drops.KIND)).documents
        assert not await stage.store.due(1e12)


async def test_markers_and_blobs_that_were_replaced_are_forgotten_too(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        for content in (b"one\n", b"two\n"):
            await stage.blobs.write(INBOX, f"{ENDPOINT}/a.txt", content)
            await arrive(stage, f"{ENDPOINT}/a.txt")
        await drop(stage, "_SUCCESS")
        assert await kept(stage) == ["_SUCCESS", "a.txt", "a.txt"]
        await a_week_later(stage)
        assert await kept(stage) == ["_SUCCESS", "a.txt"]
        for name in ("_SUCCESS", "a.txt"):
            await stage.blobs.delete(INBOX, f"{ENDPOINT}/{name}")
        await a_week_later(stage)
        assert await kept(stage) == await manifests(stage) == []


async def test_a_look_that_broke_off_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest is gone through in pieces; each may be gone through twice."""
    monkeypatch.setattr(taken_drops, "PIECE", 200)
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        names = [f"{i:02}.txt" for i in range(12)]
        await drop(stage, *names)
        for name in names[1:]:
            await stage.blobs.delete(INBOX, f"{ENDPOINT}/{name}")
        stage.clock.time += LOOK_EVERY + 1
        [due] = await stage.store.due(stage.clock.time)
        looks = taken_drops.TakenDrops(stage.store, stage.blobs, stage.clock)

        await looks.resume(due)
        [due] = await stage.store.due(stage.clock.time)
        first = due.body["taken"]
        assert (first["part"], first["left"]) == (0, 1)
        again = {**due.body, "taken": {**first, "offset": 0, "left": 0}}
        write = Replace(due.id, again, due.etag, due_at=due.due_at)
        await stage.store.transact(due.partition, [write])
        await stage.pump()
        assert await kept(stage) == ["00.txt"]
