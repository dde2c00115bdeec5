"""A walk whose messages are lost, late, doubled, shuffled and kept for later, over a store and a
queue that fail and lose their answers, while the sweep takes over in between."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import DomainError
from domain.ground.driving.driver import GRACE
from infra.rules.queue_consumer import Received
from tests.domain.ground.driving.walking import (
    PAUSE,
    WALKS,
    Fault,
    Stride,
    WalkStage,
    opened,
    walk_of,
)

GOAL = 8
NUDGE = Stride(walk="w")
FAULTS = list(Fault)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[WalkStage]:
    async with opened(tmp_path) as stage:
        yield stage


class Mischief:
    def __init__(self, stage: WalkStage, seed: int, *, lose: float, nudge: float) -> None:
        self.stage = stage
        self.rng = random.Random(seed)
        self.lose = lose
        self.nudge = nudge
        self.old: list[Received] = []
        self.handed = 0
        self.resumed = 0

    async def run(self) -> None:
        """Until the walk has ended, with a look at it after each round."""
        quick = self.rng.sample(range(1, GOAL), self.rng.randrange(4))
        await self.stage.begin(GOAL, quick)
        self.stage.store.faults = self._faults()
        self.stage.queue.faults = self._faults()
        for _ in range(2000):
            await self._round()
            if await self._is_over():
                break
        else:
            raise AssertionError("it never ended")
        self.stage.store.faults, self.stage.queue.faults = [], []
        while await self.stage.on_its_way():
            await self.stage.turn()
            self.stage.clock.move(1)

    def _faults(self) -> list[Fault | None]:
        return [
            self.rng.choice(FAULTS) if self.rng.random() < 0.15 else None for _ in range(20_000)
        ]

    async def _round(self) -> None:
        now: list[Received] = []
        for message in await self.stage.receive():
            if self._shows(self.lose):
                await self.stage.queue.queue.complete(message.lock_token)
            elif self._shows(0.1):
                await self.stage.queue.queue.abandon(message.lock_token)
            else:
                now.append(message)
        self.old += now
        beside = [self._hand(each) for each in self.rng.sample(now, len(now)) if self._shows(0.2)]
        if self.old and self._shows(0.2):
            beside.append(self._hand(self.rng.choice(self.old)))
        if self._shows(self.nudge):
            beside.append(self._nudge())
        self.rng.shuffle(now)
        self.handed += len(now) + len(beside)
        await asyncio.gather(*beside, *(self.stage.deliver(message) for message in now))
        self.stage.clock.move(self.rng.uniform(0, 2 * PAUSE))
        self.resumed += len(await self.stage.store.due(self.stage.clock.unix()))
        await self.stage.sweeping.sweep()

    async def _hand(self, message: Received) -> None:
        """Beside its delivery, or long after."""
        try:
            await self.stage.hand(message, redelivered=self._shows(0.5))
        except DomainError:
            return

    async def _nudge(self) -> None:
        try:
            await self.stage.driving.go_on(NUDGE, redelivered=self._shows(0.3))
        except DomainError:
            return

    def _shows(self, probability: float) -> bool:
        return self.rng.random() < probability

    async def _is_over(self) -> bool:
        document = await self.stage.document()
        walk = walk_of(document)
        assert list(walk.trail) == list(range(1, len(walk.trail) + 1)), "each step is saved once"
        assert await self.stage.prints() == len(walk.trail), "with what is beside it"
        if document.due_at is None:
            assert len(walk.trail) == GOAL, "what is not over falls due"
            return True
        assert document.due_at <= self.stage.clock.unix() + PAUSE + GRACE, "soon"
        sent = sum(queue == WALKS for queue, _ in self.stage.queue.sent)
        assert sent <= 1 + self.handed + self.resumed, "a delivery sends one message at most"
        return False


@pytest.mark.parametrize("seed", range(12))
async def test_a_walk_ends_whatever_becomes_of_its_messages(stage: WalkStage, seed: int) -> None:
    await Mischief(stage, seed, lose=0.15, nudge=0.0).run()
    # With the message of the last step the last letter may be lost: nothing is due any more.
    assert await stage.letters() >= set(range(1, GOAL))


@pytest.mark.parametrize("seed", range(100, 112))
async def test_while_messages_come_sometime_nothing_stays_unsent(
    stage: WalkStage, seed: int
) -> None:
    await Mischief(stage, seed, lose=0.0, nudge=0.0).run()
    assert await stage.letters() == set(range(1, GOAL + 1))


@pytest.mark.parametrize("seed", range(200, 212))
async def test_nudges_in_between_change_nothing_of_that(stage: WalkStage, seed: int) -> None:
    await Mischief(stage, seed, lose=0.15, nudge=0.3).run()
    assert (await stage.walk()).trail == tuple(range(1, GOAL + 1))
