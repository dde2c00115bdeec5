"""Putting together what is done with events."""

from urllib.parse import urlsplit

from domain.events.activities import EventActivities
from domain.events.dead_letters import DeadLetters
from domain.events.delivery_record import OnSettled
from domain.events.event_delivering import EventDelivering
from domain.events.event_dispatching import Couriers, EventDispatching
from domain.events.event_sending import EventSending
from domain.events.event_subscriptions import EventSubscriptions
from domain.events.subscribers import Subscribers
from domain.events.subscription_validating import SubscriptionValidating
from domain.ground.stored_sums import StoredSums
from domain.inbound.activities import InboundActivities
from domain.inbound.event_invoking import EventInvoking
from domain.inbound.event_mappings import EventMappings
from domain.inbound.event_receiving import EventReceiving
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.ports import Cipher, Clock, EventTopics, ResourceStore, Webhooks, WorkQueue


def compose_events(
    store: ResourceStore,
    queue: WorkQueue,
    clock: Clock,
    cipher: Cipher,
    webhooks: Webhooks,
    topics: EventTopics,
    *,
    subscribers: Subscribers,
    source: str,
    location: str,
    base_url: str,
    on_settled: OnSettled | None = None,
) -> EventActivities:
    """`source` is the workspace's ARM id, that every event carries."""
    # What webhooks know this installation by: a name that stays, not a machine's.
    origin = urlsplit(base_url).hostname or "ml-endpoints"
    couriers = Couriers(store, queue, clock)
    subscriptions = EventSubscriptions(
        store,
        queue,
        clock,
        cipher,
        webhooks,
        topics,
        subscribers,
        couriers,
        location,
    )
    sending = EventSending(webhooks, topics, cipher, clock, source=source, origin=origin)
    return EventActivities(
        subscriptions=subscriptions,
        dead_letters=DeadLetters(store, clock, couriers, subscriptions),
        validating=SubscriptionValidating(
            store,
            clock,
            cipher,
            webhooks,
            subscriptions,
            origin=origin,
            callback=f"{base_url.rstrip('/')}/eventSubscriptions",
        ),
        dispatching=EventDispatching(store, clock, subscribers, couriers),
        delivering=EventDelivering(
            store, clock, couriers, subscriptions, sending, on_settled=on_settled
        ),
    )


def compose_inbound(
    store: ResourceStore,
    queue: WorkQueue,
    clock: Clock,
    cipher: Cipher,
    *,
    sums: StoredSums,
    invocation: JobInvocation,
    location: str,
) -> InboundActivities:
    mappings = EventMappings(store, clock, cipher, location)
    return InboundActivities(
        mappings=mappings,
        receiving=EventReceiving(store, queue, clock, mappings, sums),
        invoking=EventInvoking(store, queue, clock, invocation),
    )
