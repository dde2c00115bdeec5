"""When a schedule is looked at next, and the messages that have it looked at.

A due time within a minute has a message that comes at that moment. One further off has none:
the sweep takes the schedule up half a minute before, so that no message waits for months and an
idle schedule costs nothing.
"""

from datetime import timedelta

from domain.ground.messages import SCHEDULES_QUEUE, CheckSchedule
from domain.ports import Clock, Message, WorkQueue
from domain.schedules.schedule import ScheduleState

GRACE = 15.0
_NEAR = 60.0
_AHEAD = 30.0


class ScheduleMessages:
    def __init__(self, queue: WorkQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    def due_at(self, state: ScheduleState) -> float | None:
        """When the sweep is to take it up (Unix seconds)."""
        now = self._clock.now().timestamp()
        if state.firing is not None:
            return now + GRACE
        if state.next_at is None:
            return None
        at = state.next_at.timestamp()
        return max(at, now) + GRACE if at - now <= _NEAR else at - _AHEAD

    async def arrange(self, state: ScheduleState, pause: float = 0.0) -> None:
        """Have it looked at when it is due, or after `pause` seconds while it fires."""
        if state.firing is None:
            if state.next_at is None:
                return
            pause = max(0.0, (state.next_at - self._clock.now()).total_seconds())
            if pause > _NEAR:
                return
        message = CheckSchedule(schedule=state.schedule, chain=state.chain, tick=state.tick)
        delay = timedelta(seconds=pause)
        await self._queue.send(SCHEDULES_QUEUE, Message(message.to_document(), delay=delay))
