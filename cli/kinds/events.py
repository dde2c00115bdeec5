"""Event mappings and event subscriptions, as YAML has them."""

import re

from cli.kinds.assets import NAME, TAGS
from cli.kinds.types import Anything, Choice, Field, Flag, Json, ListOf, Record, Span, Text, Whole

_BARE = re.compile(r"(?<!\$)\{\{")


class _Template(Anything):
    """Places for fields of an event are shown as `${{data.url}}`: in a file `{{data.url}}` is what
    is still to be filled in. The host takes both."""

    def shown(self, value: Json) -> Json:
        if isinstance(value, dict):
            return {name: self.shown(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.shown(each) for each in value]
        return _BARE.sub("${{", value) if isinstance(value, str) else value


_SUBJECTS = (
    Field("included_event_types", ListOf(Text()), "includedEventTypes", doc="* ends the last word"),
    Field("subject_begins_with", Text(), "subjectBeginsWith"),
    Field("subject_ends_with", Text(), "subjectEndsWith"),
    Field("is_subject_case_sensitive", Flag(), "isSubjectCaseSensitive"),
)
_OPERATORS = Choice(
    {
        "string_in": "StringIn",
        "string_begins_with": "StringBeginsWith",
        "string_ends_with": "StringEndsWith",
        "string_contains": "StringContains",
    }
)
_ADVANCED = Record(
    (
        Field("operator_type", _OPERATORS, "operatorType", required=True),
        Field("key", Text(), "key", required=True, doc="such as data.api"),
        Field("values", ListOf(Text()), "values", required=True),
    )
)
_READ_ONLY = (
    Field("id", Anything(), "id", ignored=True),
    Field("creation_context", Anything(), ignored=True),
    Field("resourceGroup", Anything(), ignored=True),
)

EVENT_MAPPING = Record(
    (
        Field("name", NAME, required=True),
        Field("description", Text(), "properties.description"),
        Field("tags", TAGS, "tags"),
        Field("endpoint_name", Text(), "properties.endpointName", required=True),
        Field("deployment_name", Text(), "properties.deploymentName"),
        Field(
            "filter",
            Record(
                (*_SUBJECTS, Field("advanced_filters", ListOf(_ADVANCED), "advancedFilters")),
            ),
            "properties.filter",
        ),
        Field(
            "job",
            _Template(),
            "properties.job",
            required=True,
            doc="the job's body as REST has it, with places such as ${{data.url}}",
        ),
        Field("events_uri", Anything(), "properties.eventsUri", ignored=True),
        Field("received", Anything(), "properties.received", ignored=True),
        *_READ_ONLY,
    ),
    "An event mapping: which events of other systems start which batch job.",
)

EVENT_SUBSCRIPTION = Record(
    (
        Field("name", NAME, required=True),
        Field("description", Text(), "properties.description"),
        Field("tags", TAGS, "tags"),
        Field(
            "destination",
            Record(
                (
                    Field(
                        "type",
                        Choice(
                            {
                                "web_hook": "WebHook",
                                "service_bus_topic": "ServiceBusTopic",
                                "service_bus_queue": "ServiceBusQueue",
                            }
                        ),
                        "endpointType",
                        required=True,
                    ),
                    Field("url", Text(), "properties.endpointUrl", doc="of a webhook"),
                    Field("entity_name", Text(), "properties.entityName", doc="of Service Bus"),
                )
            ),
            "properties.destination",
            required=True,
        ),
        Field("filter", Record(_SUBJECTS), "properties.filter"),
        Field(
            "retry_policy",
            Record(
                (
                    Field("max_delivery_attempts", Whole(1, 100), "maxDeliveryAttempts"),
                    Field("event_time_to_live", Span(1, 1, 7 * 86400), "eventTimeToLive"),
                )
            ),
            "properties.retryPolicy",
        ),
        Field("state", Anything(), "properties.state", ignored=True),
        Field("reason", Anything(), "properties.reason", ignored=True),
        Field("deliveries", Anything(), "properties.deliveries", ignored=True),
        *_READ_ONLY,
    ),
    "An event subscription: who is told what happens.",
)
