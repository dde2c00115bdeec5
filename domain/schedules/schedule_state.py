"""When a schedule is looked at next, and the message that has it looked at.

A due time within two minutes has a message that comes at that moment. One further off has none:
the sweep takes the schedule up a minute and a half before (it comes by once a minute where
executions are paid for), so that no message waits for months and an idle schedule costs nothing.
"""

from datetime import timedelta

from domain.ground.driving.driver import GRACE, Step
from domain.ground.messages import SCHEDULES_QUEUE, CheckSchedule
from domain.ports import Clock, Message, WorkQueue
from domain.schedules.schedule import ScheduleState

_NEAR = 120.0
_AHEAD = 90.0
_LONGEST_WAIT = 60.0


class ScheduleMessages:
    def __init__(self, queue: WorkQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    def pause(self, state: ScheduleState) -> float:
        """Seconds until it is looked at: when it is due, or while it fires at once, unless that
        has to wait. 0 where neither is ahead."""
        if state.firing is not None:
            waits = state.firing.waits
            return min(_LONGEST_WAIT, 2.0 ** min(waits, 10)) if waits else 0.0
        if state.next_at is None:
            return 0.0
        return max(0.0, (state.next_at - self._clock.now()).total_seconds())

    def step(self, state: ScheduleState) -> Step[ScheduleState]:
        """That leaves the schedule in `state`."""
        if state.firing is None and state.next_at is None:
            return Step(state, None)
        pause = self.pause(state)
        if state.firing is None and pause > _NEAR:
            return Step(state, pause - _AHEAD, by_message=False)
        return Step(state, pause)

    def due_at(self, state: ScheduleState) -> float | None:
        """When the sweep is to take it up (Unix seconds)."""
        step = self.step(state)
        if step.pause is None:
            return None
        lease = GRACE if step.by_message else 0.0
        return self._clock.now().timestamp() + step.pause + lease

    async def arrange(self, state: ScheduleState) -> None:
        """Send what has a saved `state` looked at, if a message does that."""
        step = self.step(state)
        if step.pause is not None and step.by_message:
            delay = timedelta(seconds=step.pause)
            message = Message(message_for(state).to_document(), delay=delay)
            await self._queue.send(SCHEDULES_QUEUE, message)


def message_for(state: ScheduleState) -> CheckSchedule:
    return CheckSchedule(schedule=state.schedule, chain=state.chain, tick=state.tick)
