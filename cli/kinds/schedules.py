"""Schedules, as YAML has them: the clock invokes a batch endpoint."""

from cli.kinds.assets import NAME, TAGS
from cli.kinds.types import Anything, Choice, Field, ListOf, Record, Text, Whole

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FREQUENCY = Choice({each.lower(): each for each in ("Minute", "Hour", "Day", "Week", "Month")})
_PATTERN = Record(
    (
        Field("hours", ListOf(Whole(0, 23)), "hours"),
        Field("minutes", ListOf(Whole(0, 59)), "minutes"),
        Field("week_days", ListOf(Choice({day.lower(): day for day in _DAYS})), "weekDays"),
        Field("month_days", ListOf(Whole(1, 31)), "monthDays"),
    )
)

SCHEDULE = Record(
    (
        Field("name", NAME, required=True),
        Field("display_name", Text(), "properties.displayName"),
        Field("description", Text(), "properties.description"),
        Field("tags", TAGS, "properties.tags"),
        Field("properties", TAGS, "properties.properties"),
        Field(
            "trigger",
            Record(
                (
                    Field(
                        "type",
                        Choice({"cron": "Cron", "recurrence": "Recurrence"}),
                        "triggerType",
                        required=True,
                    ),
                    Field("expression", Text(), "expression", doc="of cron"),
                    Field("frequency", _FREQUENCY, "frequency", doc="of a recurrence"),
                    Field("interval", Whole(1), "interval"),
                    Field("schedule", _PATTERN, "schedule"),
                    Field("time_zone", Text(), "timeZone"),
                    Field("start_time", Text(), "startTime"),
                    Field("end_time", Text(), "endTime"),
                )
            ),
            "properties.trigger",
            required=True,
        ),
        Field("is_enabled", Anything(), "properties.isEnabled"),
        Field(
            "invoke",
            Record(
                (
                    Field("endpoint_name", Text(), "endpointName", required=True),
                    Field("deployment_name", Text(), "deploymentName"),
                    Field("properties", Anything(), "properties", required=True),
                )
            ),
            "properties.action.endpointInvocationDefinition",
            required=True,
            doc="the batch endpoint, and the job's body as REST has it",
        ),
        Field("next_trigger_time", Anything(), "properties.nextTriggerTime", ignored=True),
        Field("id", Anything(), "id", ignored=True),
        Field("creation_context", Anything(), ignored=True),
        Field("resourceGroup", Anything(), ignored=True),
    ),
    "A schedule: jobs by the clock.",
)
