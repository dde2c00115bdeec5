"""Timer-triggered functions."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import azure.functions as func
import pytest

from domain.ports import Clock
from domain.schedules.cron import CronError
from infra.clock import SystemClock
from infra.embedded.host.functions import AppError, index
from infra.embedded.host.timers import Timer
from tests.kit.waiting import PATIENCE, eventually

Handler = Callable[[func.TimerRequest], Awaitable[None]]


def timer(
    handler: Handler, schedule: str, clock: Clock | None = None, *, on_startup: bool = False
) -> Timer:
    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%", run_on_startup=on_startup)
    async def sweep(timer: func.TimerRequest) -> None:
        await handler(timer)

    (function,) = index(app, {"SCHEDULE": schedule})
    return Timer(function, clock or SystemClock())


async def test_a_timer_comes_due_by_its_schedule() -> None:
    seen: list[func.TimerRequest] = []

    async def handler(request: func.TimerRequest) -> None:
        seen.append(request)

    ticking = timer(handler, "* * * * * *")
    ticking.start()
    await eventually(lambda: seen)
    await ticking.stop(PATIENCE)
    assert not seen[0].past_due
    assert "Next" in seen[0].schedule_status  # type: ignore[attr-defined]


async def test_a_timer_can_run_at_startup_whatever_its_schedule() -> None:
    seen: list[func.TimerRequest] = []

    async def handler(request: func.TimerRequest) -> None:
        seen.append(request)

    yearly = timer(handler, "0 0 0 1 1 *", on_startup=True)
    yearly.start()
    await eventually(lambda: seen)
    await yearly.stop(PATIENCE)
    assert len(seen) == 1


async def test_a_timer_never_runs_beside_itself_and_survives_its_failures() -> None:
    running = most = runs = 0

    async def handler(request: func.TimerRequest) -> None:
        nonlocal running, most, runs
        running += 1
        runs += 1
        most = max(most, running)
        for _ in range(50):
            await asyncio.sleep(0)
        running -= 1
        raise ValueError("broken")

    class Leaping(Clock):
        """Each look is a minute later, so that many occurrences pass in every run."""

        def __init__(self) -> None:
            self._now = datetime(2024, 1, 1, tzinfo=UTC)

        def now(self) -> datetime:
            self._now += timedelta(minutes=1)
            return self._now

    busy = timer(handler, "* * * * * *", Leaping())
    busy.start()
    await eventually(lambda: runs >= 5)
    await busy.stop(PATIENCE)
    assert most == 1


async def test_stopping_lets_a_run_end() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended = False

    async def handler(request: func.TimerRequest) -> None:
        nonlocal ended
        begun.set()
        await go_on.wait()
        ended = True

    ticking = timer(handler, "0 0 0 1 1 *", on_startup=True)
    ticking.start()
    await begun.wait()
    stopping = asyncio.create_task(ticking.stop(PATIENCE))
    await asyncio.sleep(0)
    go_on.set()
    await stopping
    assert ended


def test_a_wrong_schedule_or_setting_is_refused_at_start() -> None:
    async def handler(request: func.TimerRequest) -> None: ...

    with pytest.raises(CronError):
        timer(handler, "whenever")
    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule="%MISSING%")
    async def sweep(timer: func.TimerRequest) -> None: ...

    with pytest.raises(AppError, match=r"sweep: .*MISSING"):
        index(app, {})
