"""What the clock has done, and when."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.kit.pumping_host import PumpingHost
from tests.kit.stages.batch_stage import BatchStage


class Counting:
    """Any activity that the clock drives."""

    def __init__(self) -> None:
        self.times = 0

    async def take(self, since: timedelta | None = None) -> None:
        self.times += 1

    sweep = restore = clear = tick = expire = take


async def test_each_timer_comes_due_by_its_schedule(tmp_path: Path) -> None:
    activities: list[Any] = [Counting() for _ in range(4)]
    swept, restored, scaled, expired = activities
    async with BatchStage(tmp_path) as stage:
        app = stage.application
        counted = replace(
            app,
            sweeping=swept,
            online=replace(app.online, restorer=restored),
            batch=replace(app.batch, restorer=restored),
            jobs=replace(app.jobs, workers=restored, retention=expired),
            scaling=scaled,
        )
        host = PumpingHost(counted, stage.queue, stage.clock)
        for _ in range(3600):
            stage.clock.move(1)
            await host.tick()
    assert (swept.times, scaled.times, expired.times) == (360, 3600, 1)
    assert restored.times == 60 * 3, "online and batch deployments, and workers of jobs"
