"""Where events may be asked to go."""

from domain.errors import Detail
from domain.events.event_subscription import Destination, EndpointType
from domain.ports import EntityKind, EventTopics, Webhooks

_AT = "properties.destination.properties"


class DestinationChecks:
    def __init__(self, webhooks: Webhooks, topics: EventTopics) -> None:
        self._webhooks = webhooks
        self._topics = topics

    def faults(self, asked: Destination) -> list[Detail]:
        """What is wrong with a destination, whether or not something is there."""
        given = asked.properties
        if asked.endpoint_type is EndpointType.WEB_HOOK:
            if given.entity_name is not None:
                return _fault("A WebHook has an endpointUrl alone.", "entityName")
            if not given.endpoint_url:
                return _fault("This field is required.", "endpointUrl")
            return _fault(self._webhooks.fault(given.endpoint_url), "endpointUrl")
        if given.endpoint_url is not None:
            return _fault("A topic or queue has an entityName alone.", "endpointUrl")
        if not given.entity_name:
            return _fault("This field is required.", "entityName")
        is_topic = asked.endpoint_type is EndpointType.SERVICE_BUS_TOPIC
        kind: EntityKind = "topic" if is_topic else "queue"
        return _fault(self._topics.fault(kind, given.entity_name), "entityName")


def _fault(told: str | None, field: str) -> list[Detail]:
    return [Detail("BadArgument", told, f"{_AT}.{field}")] if told else []
