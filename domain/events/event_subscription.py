"""An event subscription: who is to be told of what, and how long it is tried.

(a) -> Pending            made, or its destination changed: consent is asked for
(b) Pending -> Active     the webhook has agreed; events go out
(c) Pending -> Failed     it has not agreed in time; events are no longer kept for it
(d) Active -> Disabled    the webhook says that it is gone (410)
(e) Failed|Disabled|Active -> Pending   validated anew, by a change of the URL or on demand
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.events.event_filter import EventFilter
from domain.ground.resource import Text, TrackedResource
from domain.ground.resource import from_document as stored_resource
from domain.ports import Document
from domain.values import Value, unsaid

KIND = "eventSubscription"
PARTITION = "eventSubscriptions"
MAX_SUBSCRIPTIONS = 50
"""A fact looks at each of them."""


class EndpointType(StrEnum):
    WEB_HOOK = "WebHook"
    SERVICE_BUS_TOPIC = "ServiceBusTopic"
    SERVICE_BUS_QUEUE = "ServiceBusQueue"


class DestinationProperties(Value):
    """`endpoint_url` for a WebHook; `entity_name` for a topic or queue of the installation's
    own Service Bus namespace."""

    endpoint_url: Annotated[str, Field(max_length=2048)] | None = None
    entity_name: Annotated[str, Field(max_length=260)] | None = None


class Destination(Value):
    endpoint_type: EndpointType
    properties: DestinationProperties


class RetryPolicy(Value):
    """An event is given up after so many attempts, or this long after it was first due,
    whichever comes first."""

    max_delivery_attempts: Annotated[int, Field(ge=1, le=100)] = 30
    event_time_to_live: Annotated[
        timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=7))
    ] = timedelta(days=1)


class EventSubscriptionProperties(Value):
    """In the words of Event Grid's event subscriptions."""

    description: Text | None = None
    destination: Destination
    filter: EventFilter = EventFilter()
    retry_policy: RetryPolicy = RetryPolicy()


class SubscriptionState(StrEnum):
    PENDING = "Pending"
    ACTIVE = "Active"
    FAILED = "Failed"
    DISABLED = "Disabled"


class EventSubscription(TrackedResource):
    """`uid` tells it from another one of its name before or after. `reason` says why it is in
    its state. `generation` rises with each validation that begins. `sealed_by` says which of the
    installation's keys `sealed_key` was sealed with."""

    properties: EventSubscriptionProperties
    uid: str
    state: SubscriptionState = SubscriptionState.PENDING
    reason: str | None = None
    validations: int = 0
    """How often the destination was asked since it became Pending."""
    allowed_rate: int | None = None
    """Requests a minute that the webhook has allowed; None: any."""
    sealed_key: str
    sealed_previous_key: str | None = None
    previous_key_until: float | None = None
    sealed_by: Annotated[str | None, unsaid(None)] = None

    @property
    def pause_before_validation(self) -> timedelta:
        """How long its destination is left alone before it is asked again."""
        return timedelta(seconds=2.0 ** min(self.validations, 10))

    @property
    def takes_events(self) -> bool:
        return self.state in (SubscriptionState.PENDING, SubscriptionState.ACTIVE)

    @property
    def is_webhook(self) -> bool:
        return self.properties.destination.endpoint_type is EndpointType.WEB_HOOK


def subscription_of(document: Document) -> EventSubscription:
    return stored_resource(EventSubscription, document)
