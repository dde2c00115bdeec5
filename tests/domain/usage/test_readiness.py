"""Whether a host says that it is ready."""

import asyncio

import pytest

from domain.errors import Unavailable
from domain.ports import Document
from domain.usage import readiness
from domain.usage.readiness import Readiness
from tests.kit.clocks import HeldClock
from tests.simulation.stores.memory_resource_store import MemoryResourceStore


class Store(MemoryResourceStore):
    """`asked` counts reads. It is out while `fault` is set, and holds readers up while `held`."""

    asked = 0
    fault: Exception | None = None
    held: asyncio.Event | None = None

    async def get(self, partition: str, id: str) -> Document:
        self.asked += 1
        if self.held is not None:
            await self.held.wait()
        if self.fault is not None:
            raise self.fault
        return await super().get(partition, id)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def store(clock: HeldClock) -> Store:
    return Store(clock.unix)


async def test_a_host_is_ready_while_it_reaches_its_store(store: Store, clock: HeldClock) -> None:
    here = Readiness(store, clock)
    assert await here.holds()
    store.fault = Unavailable("out")
    clock.move(5)
    assert not await here.holds()
    store.fault = None
    clock.move(5)
    assert await here.holds()


async def test_whoever_asks_costs_one_look_in_five_seconds(store: Store, clock: HeldClock) -> None:
    here = Readiness(store, clock)
    assert all(await asyncio.gather(*(here.holds() for _ in range(50))))
    clock.move(4.9)
    assert await here.holds()
    assert store.asked == 1
    clock.move(0.1)
    assert await here.holds()
    assert store.asked == 2


async def test_a_store_that_does_not_answer_is_not_waited_for(
    store: Store, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "LIMIT", 0.0)
    store.held = asyncio.Event()
    assert not await Readiness(store, clock).holds()
