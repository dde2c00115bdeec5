"""A schedule: a batch endpoint that is invoked by the clock.

What its user wants is one document; where it stands is another beside it, so that the ETag is
for those who change the schedule.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from domain.errors import Invalid
from domain.ground.resource import StringMap, Tags, Text, TrackedResource
from domain.jobs.invoking.job_expressions import filled
from domain.jobs.records.job_request import JobProperties
from domain.names import asset_name_fault, endpoint_name_fault
from domain.ports import Document, Json
from domain.schedules.occurrences import Occurrences
from domain.schedules.recurrence import Frequency, RecurrencePattern, expression_of
from domain.schedules.time_zones import time_zone
from domain.values import Value, unsaid

KIND = "schedule"
STATE_KIND = "scheduleState"
PARTITION = "schedules"
MOST_RUNS = 20
"""Kept of a schedule, the newest."""
TRIGGER_TIME = "creation_context.trigger_time"

_MOST_NAME = 80
"""A job's name has the due time after it."""
_YEARS = range(2000, 2200)


def document_id(name: str) -> str:
    return f"schedule:{name.casefold()}"


def state_id(name: str) -> str:
    return f"state:{name.casefold()}"


def name_fault(name: str) -> str | None:
    if len(name) > _MOST_NAME:
        return f"A schedule's name has at most {_MOST_NAME} characters."
    return asset_name_fault(name)


class TriggerType(StrEnum):
    CRON = "Cron"
    RECURRENCE = "Recurrence"


class _Recurrence(Value):
    frequency: Frequency
    interval: Annotated[int, Field(ge=1, le=1000)] = 1
    schedule: RecurrencePattern | None = None
    start_time: datetime | None = None


_RECURRENCE = ("frequency", "interval", "schedule", "startTime")


class ClockTrigger(Value):
    """`expression` is NCRONTAB: minute, hour, day, month, weekday, or six fields with the second
    first; a day satisfies both of its fields. A recurrence has it by its `frequency`, `interval`
    and `schedule`. It comes due from `start_time` on and not after `end_time`, which without an
    offset are of `time_zone`."""

    trigger_type: TriggerType
    frequency: Annotated[Frequency | None, unsaid(None)] = None
    interval: Annotated[int | None, unsaid(None), Field(ge=1, le=1000)] = None
    schedule: Annotated[RecurrencePattern | None, unsaid(None)] = None
    expression: Annotated[str, Field(min_length=1, max_length=256)]
    start_time: datetime | None = None
    end_time: datetime | None = None
    time_zone: str = "UTC"

    @model_validator(mode="before")
    @classmethod
    def _expressed(cls, value: Any) -> Any:
        """A recurrence's expression, where what it is made of is as it has to be."""
        if not isinstance(value, dict):
            return value
        given = {to_camel(name): each for name, each in value.items()}
        if str(given.get("triggerType", "")).casefold() != "recurrence":
            return value
        try:
            asked = _Recurrence.model_validate(
                {name: given[name] for name in _RECURRENCE if given.get(name) is not None}
            )
        except ValidationError:
            # The fields' own faults are told at them; this stands for what is not made then.
            return {**value, "expression": "0 0 1 1 *"}
        said = expression_of(asked.frequency, asked.interval, asked.schedule, asked.start_time)
        return {**value, "expression": said}

    @field_validator("start_time", "end_time", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        if not isinstance(value, str | datetime | None):
            raise ValueError("a time is written as in 2026-01-31T06:00:00")
        return value

    @field_validator("start_time", "end_time")
    @classmethod
    def _sensible(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.year not in _YEARS:
            raise ValueError(f"the year is {_YEARS.start} to {_YEARS.stop - 1}")
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        time_zone(value)
        return value

    @field_validator("expression")
    @classmethod
    def _expression(cls, value: str) -> str:
        Occurrences(value, UTC)
        return value

    @model_validator(mode="after")
    def _whole(self) -> "ClockTrigger":
        if self.trigger_type is TriggerType.RECURRENCE and self.frequency is None:
            raise ValueError("a recurrence has a frequency: Minute, Hour, Day, Week or Month")
        if self.trigger_type is TriggerType.CRON and self.frequency is not None:
            raise ValueError("frequency, interval and schedule are of a Recurrence")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> "ClockTrigger":
        start, end = self._at(self.start_time), self._at(self.end_time)
        if start and end and end <= start:
            raise ValueError("endTime is not after startTime")
        return self

    @property
    def occurrences(self) -> Occurrences:
        return Occurrences(self.expression, time_zone(self.time_zone))

    def next_after(self, moment: datetime) -> datetime | None:
        """None when it does not come due any more."""
        start, end = self._at(self.start_time), self._at(self.end_time)
        if start is not None and start > moment:
            # An occurrence at the very start is one.
            moment = datetime.fromtimestamp(start.timestamp() - 0.001, UTC)
        found = self.occurrences.next_after(moment)
        return None if end is not None and found > end else found

    def newest(self, first: datetime, now: datetime) -> datetime:
        """The last time it came due, given one time: `first`."""
        end = self._at(self.end_time)
        return self.occurrences.newest(first, now if end is None else min(now, end))

    def _at(self, time: datetime | None) -> datetime | None:
        if time is None:
            return None
        return (time if time.tzinfo else time.replace(tzinfo=time_zone(self.time_zone))).astimezone(
            UTC
        )


class InvocationDefinition(Value):
    """What is invoked; `properties` as in the body of an invocation, where
    `${{creation_context.trigger_time}}` and `${{name}}` (the job's) may stand."""

    endpoint_name: str
    deployment_name: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    properties: JobProperties

    @field_validator("endpoint_name")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        if fault := endpoint_name_fault(value):
            raise ValueError(fault)
        return value

    @field_validator("properties")
    @classmethod
    def _of_any_job(cls, value: JobProperties) -> JobProperties:
        if value.name is not None:
            raise ValueError("each job has a name of its own: leave out name")
        if not value.input_data and value.dataset is None:
            raise ValueError("a job needs inputData")
        try:
            filled(value, {"name": "job", TRIGGER_TIME: "now"})
        except Invalid as error:
            raise ValueError(error.message) from None
        return value


class ScheduleAction(Value):
    """`source_job_id` is the job that it does again, where it was made of one."""

    action_type: str
    endpoint_invocation_definition: InvocationDefinition
    source_job_id: Annotated[str | None, unsaid(None)] = None

    @field_validator("action_type")
    @classmethod
    def _invokes(cls, value: str) -> str:
        if value.casefold() != "invokebatchendpoint":
            raise ValueError("a schedule does InvokeBatchEndpoint here")
        return "InvokeBatchEndpoint"


class ScheduleProperties(Value):
    display_name: Text | None = None
    description: Text | None = None
    is_enabled: bool = True
    trigger: ClockTrigger
    action: ScheduleAction
    tags: Tags = {}
    properties: StringMap = {}

    def next_after(self, moment: datetime) -> datetime | None:
        return self.trigger.next_after(moment) if self.is_enabled else None


class Schedule(TrackedResource):
    properties: ScheduleProperties


class RunStatus(StrEnum):
    STARTED = "Started"
    FAILED = "Failed"
    MISSED = "Missed"


class ScheduleRun(Value):
    """What became of one due time."""

    trigger_time: datetime
    status: RunStatus
    at: datetime
    job_name: str | None = None
    error: str | None = None


class Firing(Value):
    """A due time whose job is being made, as the schedule was then."""

    trigger_time: datetime
    definition: InvocationDefinition
    waits: int = 0


class ScheduleState(Value):
    """Where a schedule stands. `runs` are the last ones, the newest first; `enabled` is the
    schedule's own."""

    schedule: str
    enabled: bool = True
    next_at: datetime | None = None
    firing: Firing | None = None
    runs: tuple[ScheduleRun, ...] = ()
    chain: int = 0
    tick: int = 0

    def to_body(self) -> Json:
        return {"kind": STATE_KIND, "enabled": self.enabled, "state": self.to_document()}

    def ended(self, run: ScheduleRun) -> "ScheduleState":
        return self.but(firing=None, runs=(run, *self.runs)[:MOST_RUNS])


def state_of(document: Document) -> ScheduleState:
    return ScheduleState.from_document(document.body["state"])
