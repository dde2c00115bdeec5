"""What is done to tell others of events, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.events import delivery
from domain.events.dead_letters import DeadLetters
from domain.events.event_delivering import EventDelivering
from domain.events.event_dispatching import EventDispatching
from domain.events.event_subscription import KIND as SUBSCRIPTION_KIND
from domain.events.event_subscriptions import EventSubscriptions
from domain.events.subscription_validating import SubscriptionValidating
from domain.ground.driving.sweeping import Resume
from domain.ground.outbox import OUTBOX_KIND


@dataclass(frozen=True)
class EventActivities:
    subscriptions: EventSubscriptions
    dead_letters: DeadLetters
    validating: SubscriptionValidating
    dispatching: EventDispatching
    delivering: EventDelivering

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return {
            OUTBOX_KIND: self.dispatching.resume,
            delivery.COURIER_KIND: self.delivering.resume,
            SUBSCRIPTION_KIND: self.validating.resume,
        }
