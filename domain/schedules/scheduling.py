"""Firing schedules: one job for each due time, whatever crashes, doubles or comes late.

A due time is first written down with what is to be invoked (one host's write wins), then its
job is made under a key of the schedule and the time, then the run is noted. Times that passed
while nobody was up are met once, by the newest of them, if that is not too long ago.
"""

import logging
from datetime import datetime, timedelta

from domain.errors import Conflict, DocumentNotFound, DomainError, Throttled, Unavailable
from domain.ground.access import trusted
from domain.ground.driving.driver import GRACE, Driving, Step
from domain.ground.messages import SCHEDULES_QUEUE, CheckSchedule
from domain.ground.resource import from_document as stored_resource
from domain.jobs.invoking.job_expressions import filled
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.records.job_request import JobProperties
from domain.ports import Clock, Document, Replace, ResourceStore, WorkQueue
from domain.schedules.schedule import (
    PARTITION,
    TRIGGER_TIME,
    Firing,
    RunStatus,
    Schedule,
    ScheduleRun,
    ScheduleState,
    document_id,
    state_id,
    state_of,
)
from domain.schedules.schedule_state import ScheduleMessages, message_for

_MOST_ERROR = 1000
_log = logging.getLogger("ml_endpoints.schedule")


class Scheduling:
    """`misfire_window`: how late a due time may be met at all."""

    queue = SCHEDULES_QUEUE
    grace = GRACE

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        clock: Clock,
        messages: ScheduleMessages,
        *,
        invocation: JobInvocation,
        misfire_window: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._invocation = invocation
        self._window = misfire_window
        self._messages = messages
        self._driving = Driving(self, queue, clock)

    async def check(self, message: CheckSchedule, *, redelivered: bool = False) -> None:
        """Take the schedule's next step, if it is due."""
        await self._driving.go_on(message, redelivered=redelivered)

    async def resume(self, document: Document) -> None:
        """Take over a schedule that comes due soon, or that nobody has moved. Raises
        StaleETag."""
        await self._driving.resume(document)

    # -- what is driven -----------------------------------------------------------------

    async def find(self, message: CheckSchedule) -> Document | None:
        try:
            return await self._store.get(PARTITION, state_id(message.schedule))
        except DocumentNotFound:
            return None

    def read(self, document: Document) -> ScheduleState:
        return state_of(document)

    async def step(
        self, state: ScheduleState, document: Document, message: CheckSchedule
    ) -> Step[ScheduleState]:
        return self._messages.step(await self._after(state))

    async def save(
        self, document: Document, step: Step[ScheduleState], due_at: float | None
    ) -> None:
        write = Replace(document.id, step.state.to_body(), document.etag, due_at=due_at)
        await self._store.transact(PARTITION, [write])

    def message(self, state: ScheduleState, before: CheckSchedule | None) -> CheckSchedule:
        return message_for(state)

    def pause(self, state: ScheduleState) -> float:
        return self._messages.pause(state)

    # -- steps --------------------------------------------------------------------------

    async def _after(self, state: ScheduleState) -> ScheduleState:
        """Where it stands after the next step."""
        if state.firing is not None:
            return await self._fire(state, state.firing)
        now = self._now()
        if state.next_at is None or now < state.next_at:
            return state
        found = await self._store.get(PARTITION, document_id(state.schedule))
        properties = stored_resource(Schedule, found).properties
        due = properties.trigger.newest(state.next_at, now)
        after = state.but(next_at=properties.next_after(max(due, now)))
        if now - due > self._window:
            error = f"It came due while nobody was up, more than {self._window} ago."
            return self._ended(after, due, RunStatus.MISSED, error=error)
        definition = properties.action.endpoint_invocation_definition
        return after.but(firing=Firing(trigger_time=due, definition=definition))

    async def _fire(self, state: ScheduleState, firing: Firing) -> ScheduleState:
        due, definition = firing.trigger_time, firing.definition
        name = f"{state.schedule}-{_stamp(due)}"
        try:
            invoked = await self._invocation.invoke(
                definition.endpoint_name,
                job_of(state.schedule, name, firing),
                caller=trusted(f"schedule/{state.schedule}"),
                deployment=definition.deployment_name,
                key=f"schedule/{state.schedule.casefold()}/{_stamp(due)}",
            )
        except (Unavailable, Throttled):
            raise
        except DomainError as error:
            if self._may_pass(error, state, firing):
                return state.but(firing=firing.but(waits=firing.waits + 1))
            _log.warning(
                "Schedule '%s' started no job for %s: %s",
                state.schedule,
                _stamp(due),
                error.message,
                extra={"action": "schedule_failed", "schedule": state.schedule},
            )
            told = error.message[:_MOST_ERROR]
            return self._ended(state, due, RunStatus.FAILED, error=told)
        job = invoked.job.name
        _log.info(
            "Schedule '%s' started job %s",
            state.schedule,
            job,
            extra={"action": "schedule_fired", "schedule": state.schedule, "job": job},
        )
        return self._ended(state, due, RunStatus.STARTED, job=job)

    def _may_pass(self, error: DomainError, state: ScheduleState, firing: Firing) -> bool:
        """Whether to try again: the deployment is being changed, and the next due time and the
        end of the misfire window are still ahead."""
        late = self._now() - firing.trigger_time > self._window
        next_is_due = state.next_at is not None and state.next_at <= self._now()
        is_busy = isinstance(error, Conflict) and error.code == "DeploymentNotReady"
        return is_busy and not late and not next_is_due

    def _ended(
        self,
        state: ScheduleState,
        due: datetime,
        status: RunStatus,
        *,
        job: str | None = None,
        error: str | None = None,
    ) -> ScheduleState:
        run = ScheduleRun(
            trigger_time=due, status=status, at=self._now(), job_name=job, error=error
        )
        return state.ended(run)

    def _now(self) -> datetime:
        return self._clock.now()


def _stamp(due: datetime) -> str:
    return due.strftime("%Y%m%dT%H%M%SZ")


def job_of(schedule: str, name: str, firing: Firing) -> JobProperties:
    """What is asked for a due time."""
    due = firing.trigger_time.strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = filled(firing.definition.properties, {"name": name, TRIGGER_TIME: due})
    properties = {
        **asked.properties,
        "ml_endpoints.schedule": schedule,
        "ml_endpoints.trigger_time": due,
    }
    return asked.but(name=name, properties=properties)
