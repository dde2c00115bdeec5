"""Units that are written again because an answer got lost, or met by somebody else."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from domain.errors import DocumentExists, StaleETag
from domain.jobs.records import batch_job
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_store import JobStore, StoredUnit
from domain.ports import Document, Write
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore

JOB = "job"
UNIT = Unit(ordinal=3, lease_until=10.5, lost_tries={3: 1}, claimed_by="message/1")


class Forgetful(SqliteResourceStore):
    """As an adapter that tries a write again whose answer did not come."""

    forgets = False

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        if self.forgets:
            self.forgets = False
            await super().transact(partition, writes)
        return await super().transact(partition, writes)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Forgetful]:
    store = Forgetful(tmp_path / "documents.db")
    yield store
    await store.close()


async def test_a_create_that_meets_itself_has_worked(store: Forgetful) -> None:
    jobs = JobStore(store)
    store.forgets = True
    made = await jobs.create_unit(JOB, UNIT)
    assert made.unit == UNIT
    await jobs.replace_unit(JOB, made, UNIT.park(20))


async def test_a_create_that_meets_anothers_has_not(store: Forgetful) -> None:
    jobs = JobStore(store)
    await jobs.create_unit(JOB, UNIT)
    with pytest.raises(DocumentExists):
        await jobs.create_unit(JOB, UNIT.but(claimed_by="message/2"))


async def test_a_replace_that_meets_itself_has_worked(store: Forgetful) -> None:
    jobs = JobStore(store)
    made = await jobs.create_unit(JOB, UNIT)
    store.forgets = True
    parked = await jobs.replace_unit(JOB, made, UNIT.park(20))
    assert parked.unit.parked
    await jobs.replace_unit(JOB, parked, parked.unit.resume(30, "message/1"))


async def test_a_unit_whose_etag_alone_has_moved_is_replaced(store: Forgetful) -> None:
    jobs = JobStore(store)
    made = await jobs.create_unit(JOB, UNIT)
    await store.transact(batch_job.partition(JOB), [made.replaced(UNIT)])
    assert (await jobs.replace_unit(JOB, made, UNIT.park(20))).unit.parked


async def test_what_is_compared_is_what_was_stored(store: Forgetful) -> None:
    jobs = JobStore(store)
    made = await jobs.create_unit(JOB, UNIT)
    await store.transact(batch_job.partition(JOB), [made.replaced(UNIT)])
    further = StoredUnit(UNIT.next_attempt(20), made.document)
    assert (await jobs.replace_unit(JOB, further, further.unit.park(30))).unit.attempt == 1


async def test_what_somebody_else_has_changed_is_not_replaced(store: Forgetful) -> None:
    jobs = JobStore(store)
    made = await jobs.create_unit(JOB, UNIT)
    await jobs.replace_unit(JOB, made, UNIT.take_over(50, "message/2"))
    with pytest.raises(StaleETag):
        await jobs.replace_unit(JOB, made, UNIT.park(20))
