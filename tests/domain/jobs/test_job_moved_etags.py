"""ETags that move while what they stand for does not."""

from pathlib import Path
from typing import Any

from domain.ports import Delete, Replace
from tests.kit.stages.batch_stage import BatchStage


class Restamping:
    """Writes what a transaction is about as it is, just before it, once for each document."""

    def __init__(self, stage: BatchStage) -> None:
        self._stage = stage
        self.moved: list[str] = []

    async def __call__(self, name: str, *args: Any) -> None:
        if name != "transact":
            return
        partition, writes = args
        for write in writes:
            if not isinstance(write, Replace | Delete) or f"{partition}/{write.id}" in self.moved:
                continue
            self.moved.append(f"{partition}/{write.id}")
            found = await self._stage.store.get(partition, write.id)
            same = Replace(found.id, found.body, found.etag, due_at=found.due_at)
            await self._stage.store.transact(partition, [same])


async def test_a_job_is_deleted_though_its_etag_moves_meanwhile(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload({"a.txt": "1\n"})
        job = await stage.invoke(name="job")
        await stage.pump()
        stage.mischief.before = restamping = Restamping(stage)
        assert await stage.jobs.delete(job)
        assert "jobs/job/job" in restamping.moved
        assert not await stage.units(job)


async def test_an_output_is_given_back_though_its_reservations_etag_moves(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload({"a.txt": "1\n"})
        await stage.invoke(name="job")
        stage.mischief.before = restamping = Restamping(stage)
        await stage.pump()
        assert any(place.startswith("outputs/") for place in restamping.moved)
        assert not (await stage.store.query("outputReservation")).documents
