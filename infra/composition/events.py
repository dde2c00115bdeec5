"""Subscriptions to events, and their delivery."""

from urllib.parse import urlsplit

from domain.events.activities import EventActivities
from domain.events.dead_letters import DeadLetters
from domain.events.destination_checks import DestinationChecks
from domain.events.event_delivering import EventDelivering
from domain.events.event_dispatching import Couriers, EventDispatching
from domain.events.event_sending import EventSending
from domain.events.event_subscriptions import EventSubscriptions
from domain.events.subscription_validating import SubscriptionValidating
from infra.composition.ground import Ground


def compose_events(ground: Ground, *, base_url: str) -> EventActivities:
    a = ground.adapters
    # What webhooks know this installation by: a name that stays, not a machine's.
    origin = urlsplit(base_url).hostname or "ml-endpoints"
    couriers = Couriers(a.store, a.queue, a.clock)
    subscriptions = EventSubscriptions(
        a.store,
        a.queue,
        a.clock,
        a.cipher,
        DestinationChecks(a.webhooks, a.topics),
        ground.subscribers,
        couriers,
        ground.location,
    )
    sending = EventSending(
        a.webhooks, a.topics, a.cipher, a.clock, source=ground.scope.id, origin=origin
    )
    return EventActivities(
        subscriptions=subscriptions,
        dead_letters=DeadLetters(a.store, a.clock, couriers, subscriptions),
        validating=SubscriptionValidating(
            a.store,
            a.clock,
            a.cipher,
            a.webhooks,
            subscriptions,
            origin=origin,
            callback=f"{base_url.rstrip('/')}/eventSubscriptions",
        ),
        dispatching=EventDispatching(a.store, a.clock, ground.subscribers, couriers),
        delivering=EventDelivering(
            a.store,
            a.queue,
            a.clock,
            couriers,
            subscriptions,
            sending,
            on_settled=a.on_settled,
        ),
    )
