"""A process that is looked at without a write for each look, as deployments are."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from domain.errors import DocumentNotFound
from domain.ground.driving.driver import GRACE, Driven, Driving, Step
from domain.ground.driving.sweeping import Sweeping
from domain.ports import Create, Document, Replace
from domain.values import Value
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from tests.domain.ground.driving.walking import WALKS, Fault, FaultyQueue, FaultyStore
from tests.kit.clocks import HeldClock

PAUSE = 1.0


class Kettle(Value):
    hot: bool = False
    generation: int = 1
    chain: int = 0


class Watch(Value):
    kettle: str = "k"
    generation: int = 1
    chain: int = 0
    step: int = 0


class Boiling(Driven[Kettle, Watch]):
    """Nothing is to be done but to look, until `boils`."""

    queue = WALKS
    grace = GRACE

    def __init__(self, folder: Path) -> None:
        self.clock = HeldClock()
        self.store = FaultyStore(SqliteResourceStore(folder / "d.db", now=self.clock.unix))
        real = SqliteWorkQueue(folder / "q.db", max_delivery_count=5, now=self.clock.unix)
        self.messages = FaultyQueue(real)
        self.driving = Driving(self, self.messages, self.clock)
        self.sweeping = Sweeping(self.store, self.clock, {"kettle": self.driving.resume})
        self.boils = False
        self.looks: list[int] = []

    async def put(self, kettle: Kettle | None = None) -> None:
        body = {"kind": "kettle", "kettle": (kettle or Kettle()).to_document()}
        due_at = self.clock.unix() + GRACE
        await self.store.transact("k", [Create("kettle", body, due_at=due_at)])

    async def change(self, kettle: Kettle) -> None:
        await self.save(await self.store.get("k", "kettle"), Step(kettle, 0), self.clock.unix())

    async def find(self, message: Watch) -> Document | None:
        try:
            return await self.store.get(message.kettle, "kettle")
        except DocumentNotFound:
            return None

    def read(self, document: Document) -> Kettle:
        return Kettle.from_document(document.body["kettle"])

    async def step(self, state: Kettle, document: Document, message: Watch) -> Step[Kettle] | None:
        self.looks.append(message.step)
        if state.hot:
            return Step(state, None)
        return Step(state.but(hot=True), None) if self.boils else Step(state, PAUSE)

    async def save(self, document: Document, step: Step[Kettle], due_at: float | None) -> None:
        body = {"kind": "kettle", "kettle": step.state.to_document()}
        await self.store.transact("k", [Replace("kettle", body, document.etag, due_at=due_at)])

    def message(self, state: Kettle, before: Watch | None) -> Watch:
        step = before.step + 1 if before else 0
        return Watch(generation=state.generation, chain=state.chain, step=step)

    def pause(self, state: Kettle) -> float:
        return 0.0

    # -- what a test looks at -----------------------------------------------------------

    async def document(self) -> Document:
        return await self.store.get("k", "kettle")

    def sent(self) -> Sequence[Watch]:
        """Since this was asked last."""
        sent = [Watch.from_document(message.body) for _, message in self.messages.sent]
        self.messages.sent.clear()
        return sent


@pytest.fixture
async def kettle(tmp_path: Path) -> AsyncIterator[Boiling]:
    kettle = Boiling(tmp_path)
    await kettle.put()
    yield kettle
    await kettle.messages.queue.close()
    await kettle.store.store.close()


async def test_a_look_that_changes_nothing_is_followed_by_the_next_without_a_write(
    kettle: Boiling,
) -> None:
    etag = (await kettle.document()).etag
    await kettle.driving.go_on(Watch())
    assert kettle.sent() == [Watch(step=1)]
    assert (await kettle.document()).etag == etag


async def test_it_is_kept_from_falling_due_not_more_often_than_its_grace_needs(
    kettle: Boiling,
) -> None:
    written = kettle.store.writes
    for step in range(60):
        await kettle.driving.go_on(Watch(step=step))
        kettle.clock.move(PAUSE)
        assert await kettle.sweeping.sweep() == 0
    assert 60 / GRACE <= kettle.store.writes - written <= 2 * 60 / GRACE


async def test_a_message_of_an_older_wish_or_chain_does_nothing(kettle: Boiling) -> None:
    await kettle.change(Kettle(generation=2, chain=3))
    for stale in (Watch(generation=1, chain=3), Watch(generation=2, chain=2)):
        await kettle.driving.go_on(stale, redelivered=True)
    assert (kettle.looks, kettle.sent()) == ([], [])
    await kettle.driving.go_on(Watch(generation=2, chain=3))
    assert kettle.looks == [0]


async def test_a_doubled_message_has_it_looked_at_beside_until_it_ends(kettle: Boiling) -> None:
    for _ in range(2):
        await kettle.driving.go_on(Watch())
    assert kettle.sent() == [Watch(step=1), Watch(step=1)]
    kettle.boils = True
    for _ in range(2):
        await kettle.driving.go_on(Watch(step=1))
    assert kettle.sent() == []
    assert (await kettle.document()).due_at is None


async def test_the_sweep_begins_another_chain_with_a_first_look(kettle: Boiling) -> None:
    kettle.clock.move(GRACE)
    assert await kettle.sweeping.sweep() == 1
    assert kettle.sent() == [Watch(chain=1, step=0)]
    await kettle.driving.go_on(Watch(step=5))
    assert kettle.looks == [], "the chain before has ended"


@pytest.mark.parametrize("boils", [False, True])
async def test_a_look_that_others_overtook_is_followed_by_another_all_the_same(
    kettle: Boiling, boils: bool
) -> None:
    """For what it did may have to be undone."""
    kettle.boils = boils
    kettle.clock.move(GRACE - 1)
    kettle.store.faults = [Fault.RACE]
    await kettle.driving.go_on(Watch())
    assert kettle.sent() == [Watch(step=1)]
    assert kettle.looks == [0], "not at once: the next is none of a new chain"
