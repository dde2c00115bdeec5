"""A small driven process on the embedded store and queue: a walk of so many strides, with what
can go wrong around it."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from functools import partial
from pathlib import Path

from domain.errors import DocumentNotFound, DomainError, StaleETag, Unavailable
from domain.ground.driving.driver import GRACE, Driven, Driving, Step
from domain.ground.driving.sweeping import Sweeping
from domain.ports import (
    Create,
    Document,
    Message,
    Page,
    Replace,
    ResourceStore,
    WorkQueue,
    Write,
)
from domain.values import Value
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from infra.rules.queue_consumer import Received
from tests.kit.clocks import HeldClock

KIND = "walk"
WALKS = "walks"
LETTERS = "letters"
PAUSE = 2.0
"""Between two strides."""
LOCK = timedelta(days=1)


class Walk(Value):
    """`trail` has the number of each stride. Those in `quick` are followed at once."""

    goal: int
    quick: tuple[int, ...] = ()
    trail: tuple[int, ...] = ()
    chain: int = 0
    tick: int = 0

    def to_body(self) -> dict[str, object]:
        return {"kind": KIND, "walk": self.to_document()}


def walk_of(document: Document) -> Walk:
    return Walk.from_document(document.body["walk"])


class Stride(Value):
    walk: str
    chain: int | None = None
    tick: int = 0
    unsent: bool = False


class Fault(Enum):
    """Of a write, or of a message that is sent. REFUSED: it is not done. LOST: it is done, and
    its answer never comes. MET_ITSELF: so, and it was tried again. RACE: others write first."""

    REFUSED = "refused"
    LOST = "lost"
    MET_ITSELF = "met itself"
    RACE = "race"


@dataclass
class FaultyStore(ResourceStore):
    """Has the faults that are next in `faults`; None is none."""

    store: SqliteResourceStore
    faults: list[Fault | None] = field(default_factory=list)
    writes: int = 0

    async def get(self, partition: str, id: str) -> Document:
        return await self.store.get(partition, id)

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        fault = self.faults.pop(0) if self.faults else None
        if fault is Fault.REFUSED:
            raise Unavailable("The store is away.")
        if fault is Fault.RACE:
            await touch(self.store, partition, writes[0].id)
        done = await self.store.transact(partition, writes)
        self.writes += 1
        if fault is Fault.LOST:
            raise Unavailable("The answer was lost.")
        if fault is Fault.MET_ITSELF:
            raise StaleETag("It was tried again, and met itself.")
        return done

    async def query(
        self,
        kind: str,
        *,
        partition: str | None = None,
        where: Mapping[str, str | int | bool] | None = None,
        page_size: int = 100,
        continuation: str | None = None,
        descending: bool = False,
    ) -> Page:
        return await self.store.query(kind, partition=partition, page_size=page_size)

    async def due(self, before: float, *, limit: int = 100) -> Sequence[Document]:
        return await self.store.due(before, limit=limit)


async def touch(store: ResourceStore, partition: str, id: str) -> None:
    """Somebody writes it, and changes nothing but its ETag."""
    found = await store.get(partition, id)
    await store.transact(partition, [Replace(id, found.body, found.etag, due_at=found.due_at)])


@dataclass
class FaultyQueue(WorkQueue):
    queue: SqliteWorkQueue
    faults: list[Fault | None] = field(default_factory=list)
    sent: list[tuple[str, Message]] = field(default_factory=list)

    async def send(self, queue: str, *messages: Message) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault is Fault.REFUSED:
            raise Unavailable("The queue is away.")
        await self.queue.send(queue, *messages)
        self.sent += [(queue, message) for message in messages]
        if fault is not None:
            raise Unavailable("The answer was lost.")


async def nothing() -> None: ...


class Walking(Driven[Walk, Stride]):
    """Each stride leaves a print in the store, together with the walk, and then sends a letter."""

    queue = WALKS
    grace = GRACE

    def __init__(self, store: ResourceStore, queue: WorkQueue, clock: HeldClock) -> None:
        self._store = store
        self._queue = queue
        self.driving = Driving(self, queue, clock)
        self.looks: list[Stride] = []
        self.lease: float | None = None
        self.by_message = True
        self.rests = False
        self.meanwhile = nothing
        """What others do while a step is taken."""

    async def find(self, message: Stride) -> Document | None:
        try:
            return await self._store.get(message.walk, "walk")
        except DocumentNotFound:
            return None

    def read(self, document: Document) -> Walk:
        return walk_of(document)

    async def step(self, state: Walk, document: Document, message: Stride) -> Step[Walk] | None:
        self.looks.append(message)
        await self.meanwhile()
        if self.rests:
            return Step(state, PAUSE)
        number = len(state.trail) + 1
        if number > state.goal:
            unsent = partial(self.post, document.partition, state.trail) if message.unsent else None
            return Step(state, None, then=unsent)
        letters = (*state.trail, number) if message.unsent else (number,)
        after = state.but(trail=(*state.trail, number))
        pause = 0.0 if number in state.quick else PAUSE
        return Step(
            after,
            None if number == state.goal else pause,
            beside=(Create(f"print:{number}", {"kind": "print"}),),
            then=partial(self.post, document.partition, letters),
            lease=self.lease,
            by_message=self.by_message,
        )

    async def post(self, walk: str, letters: Sequence[int]) -> None:
        await self._queue.send(
            LETTERS, *(Message({"walk": walk, "number": number}) for number in letters)
        )

    async def save(self, document: Document, step: Step[Walk], due_at: float | None) -> None:
        write = Replace(document.id, step.state.to_body(), document.etag, due_at=due_at)
        await self._store.transact(document.partition, [write, *step.beside])

    def message(self, state: Walk, before: Stride | None) -> Stride:
        return Stride(walk="w", chain=state.chain, tick=state.tick, unsent=before is None)

    def pause(self, state: Walk) -> float:
        return 0.0


class WalkStage:
    """A host: it hands messages to the walk, and back to their queue when that fails."""

    def __init__(self, folder: Path) -> None:
        self.clock = HeldClock()
        self.store = FaultyStore(SqliteResourceStore(folder / "d.db", now=self.clock.unix))
        real = SqliteWorkQueue(folder / "q.db", max_delivery_count=10_000, now=self.clock.unix)
        self.queue = FaultyQueue(real)
        self.walking = Walking(self.store, self.queue, self.clock)
        self.driving = self.walking.driving
        self.sweeping = Sweeping(self.store, self.clock, {KIND: self.driving.resume})

    async def begin(self, goal: int = 3, quick: Sequence[int] = ()) -> None:
        walk = Walk(goal=goal, quick=tuple(quick))
        due_at = self.clock.unix() + GRACE
        await self.store.transact("w", [Create("walk", walk.to_body(), due_at=due_at)])
        await self.queue.send(
            WALKS, Message(self.walking.message(walk, Stride(walk="w")).to_document())
        )

    async def document(self) -> Document:
        return await self.store.get("w", "walk")

    async def walk(self) -> Walk:
        return walk_of(await self.document())

    async def change(self, walk: Walk) -> None:
        """By somebody else."""
        found = await self.store.store.get("w", "walk")
        write = Replace("walk", walk.to_body(), found.etag, due_at=found.due_at)
        await self.store.store.transact("w", [write])

    async def on_its_way(self) -> int:
        """Messages of the walk, due now or later."""
        counts = await self.queue.queue.counts(WALKS)
        return counts.active + counts.waiting

    async def receive(self) -> list[Received]:
        return list(await self.queue.queue.receive(WALKS, 100, LOCK))

    async def take(self) -> Received:
        """The one message that there is now."""
        [message] = await self.receive()
        return message

    async def hand(self, message: Received, *, redelivered: bool | None = None) -> None:
        """Have it handled, without a word to the queue. Raises what that does."""
        again = message.delivery_count > 1 if redelivered is None else redelivered
        await self.driving.go_on(stride_of(message), redelivered=again)

    async def deliver(self, message: Received) -> bool:
        """As a host does: it comes again a second later when that fails."""
        try:
            await self.hand(message)
        except DomainError:
            await self.queue.queue.abandon(message.lock_token, timedelta(seconds=1))
            return False
        await self.queue.queue.complete(message.lock_token)
        return True

    async def turn(self) -> int:
        """Deliver what there is now."""
        taken = await self.receive()
        for message in taken:
            await self.deliver(message)
        return len(taken)

    async def letters(self) -> set[int]:
        """That have come, until now."""
        taken = await self.queue.queue.receive(LETTERS, 500, LOCK)
        return {json.loads(message.body)["number"] for message in taken}

    async def prints(self) -> int:
        return len((await self.store.query("print", partition="w", page_size=1000)).documents)


def stride_of(message: Received) -> Stride:
    return Stride.from_document(json.loads(message.body))


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[WalkStage]:
    stage = WalkStage(folder)
    yield stage
    await stage.queue.queue.close()
    await stage.store.store.close()
