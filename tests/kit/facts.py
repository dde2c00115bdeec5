"""Facts as the composed app saves them."""

from domain.events.subscribers import Subscribers
from domain.ground.outbox import Outbox
from domain.ports import Clock, ResourceStore, WorkQueue


def outbox(store: ResourceStore, queue: WorkQueue, clock: Clock) -> Outbox:
    """Saves the facts that a subscription in `store` asks for."""
    return Outbox(store, queue, clock, Subscribers(store, clock).wanted)
