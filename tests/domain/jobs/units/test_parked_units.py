"""Units that wait for a message which their host did not live to send."""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.ground.messages import MINI_BATCHES_QUEUE, AdvanceJob, ScoreUnit
from domain.jobs.records.batch_unit import Unit
from domain.jobs.units import bundle_scoring
from domain.ports import Message
from tests.domain.jobs.units.bundling import (
    FILES,
    UNHURRIED,
    Around,
    BundleStage,
    doing,
    held_time,
    output_without,
)
from tests.kit.mischief import Crash, Mischief
from tests.kit.script_workers import QUICK, SLOW
from tests.kit.stages.batch_stage import LOCK


class DyingStage(BundleStage):
    """A host that dies between saving that a unit waits and sending the message that would go
    on with it, once a look at the job has found the unit in its hands."""

    def die_at(self, which: int) -> None:
        """`which`: before the message of the first unit to wait, the second, and so on."""
        self.waiting: list[int] = []

        async def look(name: str, *_: Any) -> None:
            if name == "run_unit" and not self.waiting:
                self.clock.time += self.times.release_lease + 1
                await self.application.jobs.supervision.advance(AdvanceJob(job="job"))

        async def die(name: str, *call: Any) -> None:
            for message in call[1:]:
                if isinstance(message, Message) and message.body.get("attempt") is not None:
                    self.waiting.append(ScoreUnit.from_document(message.body).unit)
            if len(self.waiting) > which:
                self.mischief.dead = True
                raise Crash

        self.score_by(
            self.units_on(workers=Around(self.workers, look), queue=Around(self.queue, die))
        )

    async def lost(self) -> Unit:
        """The unit whose message was not sent."""
        return await self.unit(self.waiting[-1])


@pytest.mark.parametrize(("seconds", "which"), [(SLOW, 0), (QUICK, 0), (QUICK, 2)])
async def test_a_unit_whose_host_dies_before_it_says_that_it_waits_goes_on_when_the_host_is_back(
    tmp_path: Path, seconds: float, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles_clock = held_time(monkeypatch, bundle_scoring)
    mischief = Mischief()

    def run(_: str) -> None:
        if mischief.slow:
            bundles_clock[0] += UNHURRIED.bundle_limit

    stage = DyingStage(tmp_path, script=doing(run), mischief=mischief, seconds=seconds, at_once=1)
    async with stage:
        await stage.start()
        await stage.pump(until=lambda: len(stage.started) > len(FILES) // 3)
        mischief.slow = 1.0
        stage.die_at(which)
        await stage.pump(until=lambda: stage.crashes > 0)
        mischief.slow = 0.0
        back, started = stage.clock.time, len(stage.started)
        lost = await stage.lost()
        assert lost.parked
        assert (lost.ordinal in stage.bundles[-1]) if seconds == QUICK else not stage.bundles
        await stage.pump(until=lambda: lost.attempt_id("job") in stage.started[started:])
        assert stage.clock.time - back <= 5
        await stage.pump()
        assert stage.output(await stage.view("job")) == output_without()
        assert (await stage.unit(lost.ordinal)).crashes == 0


async def test_a_look_for_what_was_not_sent_goes_by_what_units_say_of_themselves(
    tmp_path: Path,
) -> None:
    """The job's own note says that somebody has the unit, for minutes yet."""
    mischief = Mischief(slow=1.0)
    stage = DyingStage(tmp_path, mischief=mischief, seconds=SLOW, at_once=1)
    async with stage:
        await stage.start()
        await stage.pump(until=lambda: bool(stage.started))
        stage.die_at(0)
        await stage.pump(until=lambda: stage.crashes > 0)
        mischief.slow = 0.0
        for message in await stage.queue.receive(MINI_BATCHES_QUEUE, 100, LOCK):
            await stage.queue.complete(message.lock_token)
        lost = await stage.lost()
        stage.clock.time = lost.lease_until
        await stage.application.jobs.supervision.advance(AdvanceJob(job="job", unsent=True))
        sent = await stage.queue.receive(MINI_BATCHES_QUEUE, 100, LOCK)
        assert lost.ordinal in [ScoreUnit.from_document(json.loads(m.body)).unit for m in sent]
