"""Who asks for events now."""

from collections.abc import Sequence
from datetime import timedelta

from domain.events.event_subscription import (
    KIND,
    MAX_SUBSCRIPTIONS,
    PARTITION,
    EventSubscription,
    subscription_of,
)
from domain.ground.facts import Fact
from domain.ports import Clock, ResourceStore

FRESH = timedelta(seconds=1)
"""How long a process goes by the subscriptions that it has read. A new one becomes Active
only after twice as long, and from then on misses nothing."""


class Subscribers:
    """Who may ask for events now, as read at most FRESH ago by this process."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: tuple[float, list[EventSubscription]] | None = None

    async def wanted(self, facts: Sequence[Fact]) -> list[Fact]:
        """The facts that some subscription asks for."""
        if not facts:
            return []
        now = self._clock.now().timestamp()
        if self._known is None or not 0 <= now - self._known[0] < FRESH.total_seconds():
            self._known = now, await self.read()
        asking = [s.properties.filter for s in self._known[1] if s.takes_events]
        return [f for f in facts if any(a.lets_through(f.type.value, f.subject) for a in asking)]

    async def read(self) -> list[EventSubscription]:
        """All subscriptions, as they are now."""
        page = await self._store.query(KIND, partition=PARTITION, page_size=MAX_SUBSCRIPTIONS * 2)
        return [subscription_of(document) for document in page.documents]

    def forget(self) -> None:
        """One was changed by this process."""
        self._known = None
