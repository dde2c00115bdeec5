"""Of a message whose first delivery failed, its activity is told so at the second."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.ground.messages import (
    BATCH_JOBS_QUEUE,
    BLOB_DROPS_QUEUE,
    EVENTS_QUEUE,
    MINI_BATCHES_QUEUE,
    SCHEDULES_QUEUE,
    AdvanceJob,
    CheckDrop,
    CheckSchedule,
    DeliverEvents,
    ScoreUnit,
)
from domain.ports import Message
from tests.kit.pumping_host import PumpingHost
from tests.kit.stages.batch_stage import BatchStage

MESSAGES = {
    BATCH_JOBS_QUEUE: AdvanceJob(job="job"),
    MINI_BATCHES_QUEUE: ScoreUnit(job="job", unit=0),
    BLOB_DROPS_QUEUE: CheckDrop(endpoint="irises", chain=0, tick=0),
    SCHEDULES_QUEUE: CheckSchedule(schedule="nightly", chain=0, tick=0),
    EVENTS_QUEUE: DeliverEvents(subscription="sub", uid="uid", chain=0, tick=0),
}


class FailsOnce:
    """Any activity with messages."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, bool]] = []

    async def take(self, message: Any, *_: object, redelivered: bool) -> None:
        self.told.append((message, redelivered))
        if len(self.told) == 1:
            raise RuntimeError("the first time")

    advance = score = check = deliver = take


@pytest.mark.parametrize("queue", MESSAGES)
async def test_a_second_delivery_is_told_that_it_is_one(tmp_path: Path, queue: str) -> None:
    activity: Any = FailsOnce()
    async with BatchStage(tmp_path) as stage:
        app = stage.application
        told = replace(
            app,
            jobs=replace(app.jobs, supervision=activity, units=activity),
            drops=replace(app.drops, dropping=activity),
            schedules=replace(app.schedules, scheduling=activity),
            events=replace(app.events, delivering=activity),
        )
        host = PumpingHost(told, stage.queue, stage.clock)
        await stage.queue.send(queue, Message(MESSAGES[queue].to_document()))
        assert await host.turn([queue]) == 1
        assert await host.turn([queue]) == 0, "not at once"
        stage.clock.move(1)
        assert await host.turn([queue]) == 1
        assert [str(error) for error in host.failures] == ["the first time"]
        counts = await stage.queue.counts(queue)
        assert (counts.active, counts.waiting) == (0, 0)
    assert activity.told == [(MESSAGES[queue], False), (MESSAGES[queue], True)]
