"""Drives timer-triggered functions by their cron schedules."""

import asyncio
import contextlib
import json
import logging
from datetime import UTC, datetime, timedelta

import azure.functions as func
from azure.functions.meta import Datum

from domain.ports import Clock
from domain.schedules.cron import Cron
from infra.embedded.host.functions import HostedFunction, converted
from infra.embedded.host.invocation import begin

_log = logging.getLogger(__name__)

# The wall clock may be set while a timer waits: look at it again at least this often.
_LOOK_AGAIN = 10.0
_NEVER = datetime.min.replace(tzinfo=UTC)


class Timer:
    """One function on its schedule. It never runs beside itself: occurrences that pass while
    it runs are left out. `past_due` tells of one that begins over a second late."""

    def __init__(self, function: HostedFunction, clock: Clock) -> None:
        self._function = function
        self._cron = Cron(str(function.trigger["schedule"]))
        self._clock = clock
        self._running: asyncio.Task[None] | None = None
        self._invocation: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._running = asyncio.create_task(self._run(), name=f"timer {self._function.name}")

    async def stop(self, grace: float) -> None:
        """Come due no more; a run under way has `grace` seconds to end."""
        if self._running is None:
            return
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        if self._invocation is not None and not self._invocation.done():
            await asyncio.wait([self._invocation], timeout=grace)
            self._invocation.cancel()
            await asyncio.wait([self._invocation], timeout=5)

    async def _run(self) -> None:
        last: datetime | None = None
        due = self._cron.next_after(self._clock.now())
        if self._function.trigger.get("runOnStartup"):
            last = self._clock.now()
            await self._invoke(past_due=False, last=None, upcoming=due)
        while True:
            await self._wait_until(due)
            late = self._clock.now() - due > timedelta(seconds=1)
            await self._invoke(past_due=late, last=last, upcoming=self._cron.next_after(due))
            last = due
            due = self._cron.next_after(max(due, self._clock.now()))

    async def _wait_until(self, due: datetime) -> None:
        left = (due - self._clock.now()).total_seconds()
        while left > 0:
            await asyncio.sleep(min(left, _LOOK_AGAIN))
            left = (due - self._clock.now()).total_seconds()

    async def _invoke(self, *, past_due: bool, last: datetime | None, upcoming: datetime) -> None:
        argument = timer_request(past_due=past_due, last=last, upcoming=upcoming)
        # A task of its own, so that stopping the timer need not stop the invocation.
        self._invocation = asyncio.create_task(self._call(argument))
        await asyncio.shield(self._invocation)

    async def _call(self, argument: func.TimerRequest) -> None:
        begin(self._function.name)
        try:
            await self._function.call(argument)
        except Exception:  # A failed run is logged; the next occurrence comes all the same.
            _log.exception("%s failed", self._function.name)


def timer_request(
    *, past_due: bool, last: datetime | None, upcoming: datetime
) -> func.TimerRequest:
    """What a timer's function is called with. `last`: when it came due before, if it did."""
    status = {
        "Last": (last or _NEVER).isoformat(),
        "Next": upcoming.isoformat(),
        "LastUpdated": (last or _NEVER).isoformat(),
    }
    info = {"IsPastDue": past_due, "ScheduleStatus": status, "Schedule": {"AdjustForDST": True}}
    decoded: func.TimerRequest = converted("timerTrigger", Datum(json.dumps(info), "json"), {})
    return decoded
