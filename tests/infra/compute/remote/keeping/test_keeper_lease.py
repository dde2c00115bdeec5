"""Which of several hosts decides."""

import pytest

from infra.compute.remote.keeping.keeper_lease import OUTLIVED, RENEWED, KeeperLease
from tests.simulation.stores.memory_resource_store import MemoryResourceStore


class Watch:
    """A clock of a host's own."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def store() -> MemoryResourceStore:
    return MemoryResourceStore(lambda: 0.0)


async def test_one_host_holds_it_and_goes_on_holding_it(store: MemoryResourceStore) -> None:
    mine, theirs = Watch(100.0), Watch(5_000.0)
    one, other = KeeperLease(store, mine), KeeperLease(store, theirs)
    assert await one.is_held()
    for _ in range(20):
        assert not await other.is_held()
        mine.at, theirs.at = mine.at + RENEWED, theirs.at + RENEWED
        assert await one.is_held()


async def test_who_is_silent_loses_it_and_knows_so_before_another_has_it(
    store: MemoryResourceStore,
) -> None:
    mine, theirs = Watch(0.0), Watch(0.0)
    one, other = KeeperLease(store, mine), KeeperLease(store, theirs)
    assert await one.is_held()
    assert not await other.is_held()
    theirs.at = OUTLIVED - 0.1
    assert not await other.is_held()
    theirs.at = OUTLIVED
    assert await other.is_held()
    mine.at = OUTLIVED
    assert not await one.is_held()


async def test_a_host_that_stood_still_finds_it_taken(store: MemoryResourceStore) -> None:
    mine, theirs = Watch(0.0), Watch(0.0)
    one, other = KeeperLease(store, mine), KeeperLease(store, theirs)
    assert await one.is_held()
    assert not await other.is_held()
    theirs.at = OUTLIVED
    assert await other.is_held()
    mine.at = RENEWED + 0.5
    assert not await one.is_held(), "it would have been its own for half a second more"


async def test_whoever_lets_it_go_makes_nobody_wait(store: MemoryResourceStore) -> None:
    one, other = KeeperLease(store, Watch(0.0)), KeeperLease(store, Watch(0.0))
    assert await one.is_held()
    assert not await other.is_held()
    await one.release()
    assert await other.is_held()
    assert not await one.is_held()


async def test_it_is_written_once_a_second_and_no_more(store: MemoryResourceStore) -> None:
    mine = Watch(0.0)
    lease = KeeperLease(store, mine)
    assert await lease.is_held()
    before = (await store.get("remoteCompute", "keeper")).etag
    mine.at = RENEWED - 0.01
    assert await lease.is_held()
    assert (await store.get("remoteCompute", "keeper")).etag == before
    mine.at = RENEWED
    assert await lease.is_held()
    assert (await store.get("remoteCompute", "keeper")).etag != before
