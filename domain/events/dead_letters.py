"""Events that were given up: reading them, and having them delivered after all."""

from domain.errors import Conflict, NotFound
from domain.events import delivery
from domain.events.delivery import DeadLetter, Delivery, dead_letter_of
from domain.events.event_dispatching import Couriers
from domain.events.event_subscriptions import EventSubscriptions
from domain.ports import Clock, Delete, ResourceStore

AT_ONCE = 500
"""As many are taken up by one call."""

_IN_ONE_WRITE = 50


class DeadLetters:
    def __init__(
        self,
        store: ResourceStore,
        clock: Clock,
        couriers: Couriers,
        subscriptions: EventSubscriptions,
    ) -> None:
        self._store = store
        self._clock = clock
        self._couriers = couriers
        self._subscriptions = subscriptions

    async def list(
        self, name: str, top: int, continuation: str | None
    ) -> tuple[list[DeadLetter], str | None]:
        """Of one subscription, the oldest first. Raises NotFound."""
        uid = (await self._subscriptions.resources.get(name)).resource.uid
        page = await self._store.query(
            delivery.DEAD_KIND,
            partition=delivery.partition(uid),
            page_size=top,
            continuation=continuation,
        )
        return [dead_letter_of(d) for d in page.documents], page.continuation

    async def redeliver(self, name: str, event: str | None) -> int:
        """Have dead letters delivered as if they were new: that of `event`, or the oldest
        AT_ONCE; how many. Raises NotFound, and Conflict while the subscription takes none."""
        found = (await self._subscriptions.resources.get(name)).resource
        if not found.takes_events:
            raise Conflict(
                f"Event subscription '{name}' is {found.state.value}: {found.reason} "
                "Validate it first.",
                code="SubscriptionNotActive",
            )
        partition = delivery.partition(found.uid)
        page = await self._store.query(
            delivery.DEAD_KIND,
            partition=partition,
            where={"event": event} if event else None,
            page_size=AT_ONCE,
        )
        documents = list(page.documents)
        if event and not documents:
            raise NotFound(f"Event subscription '{name}' has no dead letter of '{event[:64]}'.")
        for start in range(0, len(documents), _IN_ONE_WRITE):
            some = documents[start : start + _IN_ONE_WRITE]
            now = self._clock.now().timestamp()
            anew = [Delivery.first(dead_letter_of(d).event, now).creation() for d in some]
            # One event may have died twice: it is delivered once.
            creations = {create.id: create for create in anew}
            deletions = [Delete(d.id, d.etag) for d in some]
            await self._store.transact(partition, [*deletions, *creations.values()])
        if documents:
            await self._couriers.wake(found.name, found.uid)
        return len(documents)
