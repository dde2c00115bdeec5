"""Schedules, as YAML has them: the clock invokes a batch endpoint."""

from cli.kinds.assets import NAME, TAGS
from cli.kinds.types import Anything, Choice, Field, Record, Text

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
                    Field("type", Choice({"cron": "Cron"}), "triggerType", required=True),
                    Field("expression", Text(), "expression", required=True),
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
