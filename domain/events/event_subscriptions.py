"""Event subscriptions on the control plane: what may be asked for, keys, and being asked anew."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

from domain.errors import Conflict, NotFound, refuse
from domain.events.delivery import Courier, courier_of
from domain.events.destination_checks import DestinationChecks
from domain.events.event_dispatching import Couriers
from domain.events.event_subscription import (
    KIND,
    MAX_SUBSCRIPTIONS,
    PARTITION,
    EventSubscription,
    EventSubscriptionProperties,
    SubscriptionState,
)
from domain.events.subscribers import FRESH, Subscribers
from domain.events.webhook_signature import new_key
from domain.ground.driving.driver import GRACE
from domain.ground.messages import EVENTS_QUEUE, ValidateSubscription
from domain.ground.named_resources import NamedResources
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Conditions, Stored, Wanted
from domain.names import endpoint_name_fault
from domain.ports import (
    Cipher,
    Clock,
    Document,
    Message,
    ResourceStore,
    WorkQueue,
)
from domain.values import Value

VALIDATE_AFTER = 2 * FRESH
"""So long every process that saves facts has read of the subscription."""

KEY_OVERLAP = timedelta(days=1)
"""How long what is sent is signed with the key before the last, too."""

_LOOKS = 20


class SigningKeys(Value):
    """`previous_signing_key` signs beside the other one until it is forgotten."""

    signing_key: str
    previous_signing_key: str | None = None


class EventSubscriptions:
    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        clock: Clock,
        cipher: Cipher,
        destinations: DestinationChecks,
        subscribers: Subscribers,
        couriers: Couriers,
        location: str,
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._cipher = cipher
        self._destinations = destinations
        self._subscribers = subscribers
        self._couriers = couriers
        self._location = location
        self.resources = NamedResources(
            store,
            EventSubscription,
            kind=KIND,
            partition=PARTITION,
            noun="Event subscription",
            name_fault=endpoint_name_fault,
        )

    # -- the resource -------------------------------------------------------------------

    async def put(
        self,
        name: str,
        wanted: Wanted[EventSubscriptionProperties],
        caller: str,
        conditions: Conditions,
    ) -> tuple[Stored[EventSubscription], bool]:
        """Create or change; True says created. A new destination is asked whether it agrees.
        Raises Invalid with every fault, PreconditionFailed, Conflict."""
        document = await self.resources.admit(name, conditions, MAX_SUBSCRIPTIONS)
        refuse(self._destinations.faults(wanted.properties.destination))
        old = self.resources.of(document) if document else None
        now = self._clock.now()
        taken = wanted.taken(wanted.properties, caller, now)
        if old is not None:
            new = old.but(**taken)
            asked = wanted.properties.destination
            if asked != old.properties.destination or not old.takes_events:
                new = _unsure(new)
        else:
            new = self._new(name, wanted, caller, now, taken)
        stored = await self._save(new, document)
        return stored, document is None

    def _new(
        self,
        name: str,
        wanted: Wanted[EventSubscriptionProperties],
        caller: str,
        now: datetime,
        taken: dict[str, object],
    ) -> EventSubscription:
        return EventSubscription(
            name=name,
            location=wanted.location or self._location,
            provisioning_state=ProvisioningState.SUCCEEDED,
            uid=uuid4().hex,
            sealed_key=self._cipher.encrypt(new_key()),
            sealed_by=self._cipher.key_id,
            created_at=now,
            created_by=caller,
            **taken,
        )

    async def delete(self, name: str, conditions: Conditions) -> bool:
        """What waits for it, and its dead letters, go too. False if it is not there."""
        gone = await self.resources.delete(name, conditions)
        self._subscribers.forget()
        if gone is None:
            return False
        await self._couriers.wake(gone.name, gone.uid, at_once=True)
        return True

    async def validate(self, name: str, caller: str) -> Stored[EventSubscription]:
        """Ask the destination anew. What waits is kept meanwhile."""

        def unsure(old: EventSubscription) -> EventSubscription:
            return _unsure(old).but(modified_at=self._clock.now(), modified_by=caller)

        return await self.change(name, unsure)

    # -- keys ---------------------------------------------------------------------------

    async def keys(self, name: str) -> SigningKeys:
        """Plain. Raises NotFound."""
        found = (await self.resources.get(name)).resource
        previous = found.sealed_previous_key
        if (found.previous_key_until or 0.0) <= self._clock.now().timestamp():
            previous = None
        return SigningKeys(
            signing_key=self._cipher.decrypt(found.sealed_key),
            previous_signing_key=self._cipher.decrypt(previous) if previous else None,
        )

    async def regenerate_key(self, name: str, caller: str) -> SigningKeys:
        """A new key signs from now on; the last one beside it for a day."""
        until = (self._clock.now() + KEY_OVERLAP).timestamp()

        def rotated(old: EventSubscription) -> EventSubscription:
            return old.but(
                sealed_key=self._cipher.encrypt(new_key()),
                sealed_by=self._cipher.key_id,
                sealed_previous_key=old.sealed_key,
                previous_key_until=until,
                modified_at=self._clock.now(),
                modified_by=caller,
            )

        await self.change(name, rotated)
        return await self.keys(name)

    async def courier(self, subscription: EventSubscription) -> Courier:
        """How its deliveries stand."""
        document = await self._couriers.find(subscription.uid)
        if document is None:
            return Courier(subscription=subscription.name, uid=subscription.uid)
        return courier_of(document)

    # -- for those who deliver and validate ---------------------------------------------

    async def of_courier(self, name: str, uid: str) -> EventSubscription | None:
        """The subscription that a courier works for; None when it is gone."""
        document = await self.resources.find(name)
        found = self.resources.of(document) if document else None
        return found if found is not None and found.uid == uid else None

    async def disable(self, name: str, uid: str, reason: str) -> None:
        """It is sent nothing more until it is validated anew."""

        def disabled(old: EventSubscription) -> EventSubscription:
            if old.uid != uid or old.state is not SubscriptionState.ACTIVE:
                return old
            return old.but(state=SubscriptionState.DISABLED, reason=reason)

        await self.change(name, disabled)

    async def change(
        self, name: str, make: Callable[[EventSubscription], EventSubscription]
    ) -> Stored[EventSubscription]:
        """Save what `make` makes of it, asked anew when somebody wrote in between. Raises
        NotFound, Conflict."""
        for _ in range(_LOOKS):
            document = await self.resources.find(name)
            if document is None:
                raise NotFound(f"Event subscription '{name[:64]}' was not found.")
            old = self.resources.of(document)
            new = make(old)
            if new == old:
                return Stored(old, document.etag)
            try:
                return await self._save(new, document)
            except Conflict:
                continue
        raise Conflict("This is being changed by other requests at the same moment. Try again.")

    async def _save(
        self, new: EventSubscription, document: Document | None
    ) -> Stored[EventSubscription]:
        """Then what its state asks for: to be validated, or to have its courier look."""
        old = self.resources.of(document) if document else None
        begins = new.state is SubscriptionState.PENDING and (
            old is None or old.generation != new.generation
        )
        pause = VALIDATE_AFTER if begins else new.pause_before_validation
        is_pending = new.state is SubscriptionState.PENDING
        due_at = (self._clock.now() + pause).timestamp() + GRACE if is_pending else None
        stored = await self.resources.save(new, document, due_at=due_at)
        self._subscribers.forget()
        if begins:
            await self.ask(new, VALIDATE_AFTER)
        elif old is not None and old.state is not new.state:
            await self._couriers.wake(new.name, new.uid, at_once=True)
        return stored

    async def ask(self, subscription: EventSubscription, after: timedelta) -> None:
        """Have the destination asked whether it agrees."""
        message = ValidateSubscription(
            subscription=subscription.name,
            uid=subscription.uid,
            generation=subscription.generation,
            attempt=subscription.validations,
        )
        await self._queue.send(EVENTS_QUEUE, Message(message.to_document(), delay=after))


def _unsure(old: EventSubscription) -> EventSubscription:
    return old.but(
        state=SubscriptionState.PENDING,
        reason=None,
        validations=0,
        allowed_rate=None,
        generation=old.generation + 1,
    )
