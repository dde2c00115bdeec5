"""An event mapping: which events of other systems start which job."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.events.event_filter import SubjectFilter, fits
from domain.ground.keys import SealedKeys
from domain.ground.resource import Text, TrackedResource
from domain.inbound.inbound_event import InboundEvent
from domain.jobs.records.job_request import JobProperties
from domain.values import Value

KIND = "eventMapping"
PARTITION = "eventMappings"
MAX_MAPPINGS = 100

_FIELD = r"^(id|source|type|subject|time|data(\.[A-Za-z0-9_-]{1,64}){1,8})$"


class Operator(StrEnum):
    STRING_IN = "StringIn"
    STRING_BEGINS_WITH = "StringBeginsWith"
    STRING_ENDS_WITH = "StringEndsWith"
    STRING_CONTAINS = "StringContains"


class AdvancedFilter(Value):
    """A field of the event (`source`, `data.api`) has one of `values`, or begins or ends with
    or contains one; whatever its case."""

    operator_type: Operator
    key: Annotated[str, Field(pattern=_FIELD)]
    values: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=1024)]],
        Field(min_length=1, max_length=25),
    ]

    def lets_through(self, event: InboundEvent) -> bool:
        found = event.value(self.key)
        if not isinstance(found, str | int | float):
            return False
        text = str(found).casefold()
        wanted = [value.casefold() for value in self.values]
        match self.operator_type:
            case Operator.STRING_IN:
                return text in wanted
            case Operator.STRING_BEGINS_WITH:
                return text.startswith(tuple(wanted))
            case Operator.STRING_ENDS_WITH:
                return text.endswith(tuple(wanted))
            case Operator.STRING_CONTAINS:
                return any(value in text for value in wanted)


class InboundFilter(SubjectFilter):
    """What is left out lets every event through; the rest must all do so."""

    included_event_types: (
        Annotated[
            list[Annotated[str, Field(pattern=r"^[^*]*\*?$", min_length=1, max_length=512)]],
            Field(max_length=25),
        ]
        | None
    ) = None
    advanced_filters: Annotated[list[AdvancedFilter], Field(max_length=25)] = []

    def lets_through(self, event: InboundEvent) -> bool:
        return (
            fits(self.included_event_types, event.type)
            and self.lets_subject(event.subject)
            and all(each.lets_through(event) for each in self.advanced_filters)
        )


class EventMappingProperties(Value):
    """`job` is what an invocation's body has as `properties`; its texts may have places for
    the event's fields, as `{{data.url}}`."""

    description: Text | None = None
    endpoint_name: Annotated[str, Field(min_length=1, max_length=64)]
    deployment_name: Annotated[str, Field(max_length=64)] | None = None
    filter: InboundFilter = InboundFilter()
    job: JobProperties


class EventMapping(TrackedResource):
    """`uid` tells it from another one of its name before or after."""

    properties: EventMappingProperties
    uid: str
    sealed_keys: SealedKeys
