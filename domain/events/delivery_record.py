"""What is kept of a finished round of deliveries."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from domain.events.delivery import Courier
from domain.events.event_subscription import EndpointType, EventSubscription


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One round for one subscription, told once, when its outcome is stored: for telemetry.
    `failed` counts attempts; `dead` has the reason for each event that was given up."""

    endpoint_type: EndpointType
    delivered: int = 0
    failed: int = 0
    dead: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, to: EventSubscription, before: Courier, after: Courier, dead: tuple[str, ...]
    ) -> Self:
        return cls(
            to.properties.destination.endpoint_type,
            after.delivered - before.delivered,
            after.failed_attempts - before.failed_attempts,
            dead,
        )


OnSettled = Callable[[DeliveryRecord], None]
"""Called on the event loop after every round; must return at once and not raise."""
