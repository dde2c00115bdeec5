"""Figures of several gateways, added up in one store."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.ground.stored_sums import WRITERS, StoredSums, Subject
from domain.ports import Document, Write
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.clocks import HeldClock
from tests.kit.stages.scoring_stage import WatchedStore
from tests.kit.waiting import PATIENCE, eventually

SUBJECT = Subject("p", "figures", "figures", 600, {"of": "iris"})


class LossyStore(WatchedStore):
    """Takes a write and loses the answer, as often as told."""

    def __init__(self, store: SqliteResourceStore) -> None:
        super().__init__(store)
        self.loses = 0

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        done = await super().transact(partition, writes)
        if self.loses:
            self.loses -= 1
            raise Unavailable("The answer was lost.")
        return done


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LossyStore]:
    real = SqliteResourceStore(tmp_path / "documents.db")
    yield LossyStore(real)
    await real.close()


def gateway(store: LossyStore, *, period: float = 300, capacity: int = 100) -> StoredSums:
    return StoredSums(store, HeldClock(), period=period, capacity=capacity, write_limit=PATIENCE)


async def test_what_gateways_count_adds_up_at_any_depth(store: LossyStore) -> None:
    one, other = gateway(store), gateway(store)
    one.add(SUBJECT, {"requests": 1, "latency": {"3": 1}})
    one.add(SUBJECT, {"requests": 2, "latency": {"4": 1}})
    other.add(SUBJECT, {"requests": 4, "latency": {"4": 2}, "errors": 1})
    await asyncio.gather(one.close(), other.close())
    assert await one.read("p", "figures") == {
        "requests": 7,
        "latency": {"3": 1, "4": 3},
        "errors": 1,
    }
    document = await store.get("p", "figures")
    assert (document.body["kind"], document.body["of"]) == ("figures", "iris")


async def test_an_addition_whose_answer_got_lost_is_not_made_twice(store: LossyStore) -> None:
    one, other = gateway(store), gateway(store)
    one.add(SUBJECT, {"requests": 1})
    store.loses = 1
    await one.flush()
    one.add(SUBJECT, {"requests": 10})
    other.add(SUBJECT, {"requests": 100})
    await other.flush()
    for _ in range(3):
        await one.flush()
    assert await one.read("p", "figures") == {"requests": 111}
    await one.close()
    await other.close()


async def test_what_the_store_will_not_take_is_kept_for_the_next_time(store: LossyStore) -> None:
    one = gateway(store)
    one.add(SUBJECT, {"requests": 1})
    store.broken = True
    await one.flush()
    one.add(SUBJECT, {"requests": 1})
    store.broken = False
    await one.flush()
    await one.close()
    assert await one.read("p", "figures") == {"requests": 2}


async def test_counts_come_to_the_store_by_themselves_and_then_nothing_runs(
    store: LossyStore,
) -> None:
    async def counted() -> "weakref.ref[StoredSums]":
        one = gateway(store, period=0.01)
        one.add(SUBJECT, {"requests": 1})
        await eventually(lambda: one.pending == 0, "all is stored")
        assert await one.read("p", "figures") == {"requests": 1}
        return weakref.ref(one)

    left = await counted()

    def is_gone() -> bool:
        gc.collect()
        return left() is None

    await eventually(is_gone, "no timer and no task holds it")


async def test_many_gateways_at_once_lose_nothing(store: LossyStore) -> None:
    gateways = [gateway(store) for _ in range(6)]
    for _ in range(5):
        for each in gateways:
            each.add(SUBJECT, {"requests": 1})
        await asyncio.gather(*(each.flush() for each in gateways))
    for each in gateways:
        await each.close()
    assert await gateways[0].read("p", "figures") == {"requests": 30}


async def test_neither_memory_nor_document_grows_without_bound(store: LossyStore) -> None:
    one = gateway(store, capacity=3)
    for number in range(10):
        one.add(Subject("p", f"s{number}", "figures", 600, {}), {"requests": 1})
    assert one.pending == 3
    await one.close()
    for _ in range(WRITERS + 8):
        each = gateway(store)
        each.add(SUBJECT, {"requests": 1})
        await each.close()
    document = await store.get("p", "figures")
    assert len(document.body["writers"]) == WRITERS
    assert document.body["sums"] == {"requests": WRITERS + 8}


async def test_nothing_counted_is_nothing(store: LossyStore) -> None:
    assert await gateway(store).read("p", "figures") == {}
