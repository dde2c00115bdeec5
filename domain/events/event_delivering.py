"""Delivering what waits for a subscription: at least once, a few at a time, for as long as its
retry policy has it.

One courier works for a subscription, one message at a time. While every attempt fails, the
whole subscription rests, longer each time, and one event tries whether it is back; an event
that fails among others that do not waits by itself.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from functools import partial

from domain.events import delivery
from domain.events.delivery import (
    Courier,
    DeadLetter,
    Delivery,
    Phase,
    Verdict,
    courier_of,
    delivery_of,
    pause_after,
)
from domain.events.delivery_record import DeliveryRecord, OnSettled
from domain.events.event_dispatching import LEASE, Couriers, message_for
from domain.events.event_sending import Attempt, EventSending
from domain.events.event_subscription import EventSubscription, SubscriptionState
from domain.events.event_subscriptions import EventSubscriptions
from domain.ground.driving.driver import Driving, Step
from domain.ground.messages import EVENTS_QUEUE, DeliverEvents
from domain.ports import Clock, Delete, Document, Replace, ResourceStore, WorkQueue, Write

AT_ONCE = 8
"""Attempts for one subscription at the same time."""

_PAGE = 40
_log = logging.getLogger("ml_endpoints.events")


class EventDelivering:
    """`on_settled` are told of each round of deliveries that has ended."""

    queue = EVENTS_QUEUE
    grace = LEASE

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        clock: Clock,
        couriers: Couriers,
        subscriptions: EventSubscriptions,
        sending: EventSending,
        *,
        on_settled: Sequence[OnSettled],
    ) -> None:
        self._store = store
        self._clock = clock
        self._couriers = couriers
        self._subscriptions = subscriptions
        self._sending = sending
        self._on_settled = on_settled
        self._rng = random.Random()
        self._driving = Driving(self, queue, clock)

    async def deliver(self, message: DeliverEvents, *, redelivered: bool = False) -> None:
        """Deliver what is due, and have the rest come back when it is."""
        await self._driving.go_on(message, redelivered=redelivered)

    async def resume(self, document: Document) -> None:
        """Take over a courier of which nobody has given a sign of life. Raises StaleETag."""
        await self._driving.resume(document)

    # -- what is driven -----------------------------------------------------------------

    async def find(self, message: DeliverEvents) -> Document | None:
        return await self._couriers.find(message.uid)

    def read(self, document: Document) -> Courier:
        return courier_of(document)

    async def step(
        self, state: Courier, document: Document, message: DeliverEvents
    ) -> Step[Courier] | None:
        subscription = await self._subscriptions.of_courier(state.subscription, state.uid)
        if subscription is None:
            return await self._clear(state, document)
        if subscription.state is SubscriptionState.PENDING:
            return self._resting(state.but(phase=Phase.IDLE))  # Becoming Active wakes it.
        if subscription.state is not SubscriptionState.ACTIVE:
            return await self._give_all_up(subscription, state)
        return await self._round(subscription, state)

    async def save(self, document: Document, step: Step[Courier], due_at: float | None) -> None:
        write = Replace(document.id, step.state.to_body(), document.etag, due_at=due_at)
        await self._store.transact(document.partition, [write, *step.beside])

    def message(self, state: Courier, before: DeliverEvents | None) -> DeliverEvents:
        return message_for(state)

    def pause(self, state: Courier) -> float:
        return 0.0 if state.phase is Phase.BUSY else max(0.0, state.until - self._now())

    # -- steps --------------------------------------------------------------------------

    async def _round(self, to: EventSubscription, courier: Courier) -> Step[Courier]:
        """Do what can be done now."""
        now = self._now()
        if courier.phase is Phase.HELD and now < courier.until:
            return Step(courier, self.pause(courier))
        waiting = await self._waiting(courier.uid, 1 if courier.failures else _at_once(to))
        due = [w for w in waiting if w.due <= now]
        if due:
            return await self._attempt(to, courier, due)
        if not waiting:
            return self._resting(courier.but(phase=Phase.IDLE, failures=0))
        return self._resting(courier.but(phase=Phase.WAITING, until=waiting[0].due))

    def _resting(self, courier: Courier) -> Step[Courier]:
        pause = None if courier.phase is Phase.IDLE else self.pause(courier)
        return Step(courier, pause, then=partial(self._look_back, courier))

    async def _look_back(self, courier: Courier) -> None:
        """Whatever came before it was saved that the courier rests has found it at work."""
        waiting = await self._waiting(courier.uid, 1)
        if waiting and waiting[0].due <= self._now() and await self._takes(courier):
            await self._couriers.wake(courier.subscription, courier.uid)

    async def _takes(self, courier: Courier) -> bool:
        found = await self._subscriptions.of_courier(courier.subscription, courier.uid)
        return found is None or found.state is not SubscriptionState.PENDING

    async def _attempt(
        self, to: EventSubscription, courier: Courier, due: Sequence[Delivery]
    ) -> Step[Courier]:
        living = [d for d in due if not self._is_too_old(to, d)]
        attempts = await asyncio.gather(*(self._sending.send(to, d.event) for d in living))
        outcomes = list(zip(living, attempts, strict=True))
        left = [self._settled(to, each, attempt) for each, attempt in outcomes]
        left += [
            self._given_up(to, each, "TimeToLiveExceeded") for each in due if each not in living
        ]
        after = self._after(to, courier, outcomes)
        gone = any(a.verdict is Verdict.GONE for a in attempts)
        return self._goes_on(to, courier, after, due, left, gone=gone)

    def _goes_on(
        self,
        to: EventSubscription,
        courier: Courier,
        after: Courier,
        done: Sequence[Delivery],
        left: Sequence[Delivery | DeadLetter | None],
        *,
        gone: bool = False,
    ) -> Step[Courier]:
        """`left` takes the place of `done`, and `after` of `courier`, with the dead counted."""
        dead = tuple(each.reason for each in left if isinstance(each, DeadLetter))
        after = after.but(dead_lettered=courier.dead_lettered + len(dead))

        async def tell() -> None:
            record = DeliveryRecord.of(to, courier, after, dead)
            for listener in self._on_settled:
                listener(record)
            if gone:
                told = "The webhook answered 410: it is gone. Validate the subscription to go on."
                await self._subscriptions.disable(to.name, to.uid, told)

        beside: list[Write] = [Delete(each.id) for each in done]
        beside += [each.creation() for each in left if each is not None]
        return Step(after, self.pause(after), beside=tuple(beside), then=tell)

    def _settled(
        self, to: EventSubscription, waiting: Delivery, attempt: Attempt
    ) -> Delivery | DeadLetter | None:
        """What is left of a delivery after an attempt."""
        if attempt.verdict is Verdict.DELIVERED:
            told = {"action": "event_delivered", "subscription": to.name}
            _log.info("Event %s was delivered to '%s'", waiting.event.id, to.name, extra=told)
            return None
        fault = attempt.fault or ""
        failed = waiting.failed(fault, waiting.due)
        if attempt.verdict is not Verdict.RETRY:
            return self._given_up(to, failed, "RefusedByReceiver")
        if failed.attempts >= to.properties.retry_policy.max_delivery_attempts:
            return self._given_up(to, failed, "MaxDeliveryAttemptsExceeded")
        pause = max(attempt.pause, pause_after(failed.attempts, self._rng))
        again = failed.but(due=self._now() + pause)
        _log.info(
            "Event %s was not delivered to '%s' in attempt %d, and is tried again in %.0f s: %s",
            waiting.event.id,
            to.name,
            failed.attempts,
            pause,
            fault,
            extra={"action": "event_retry", "subscription": to.name},
        )
        return again

    def _given_up(self, to: EventSubscription, waiting: Delivery, reason: str) -> DeadLetter:
        letter = DeadLetter(
            event=waiting.event,
            reason=reason,
            attempts=waiting.attempts,
            at=self._now(),
            last_fault=waiting.last_fault,
        )
        _log.warning(
            "Event %s is dead for '%s' after %d attempts: %s. %s",
            waiting.event.id,
            to.name,
            waiting.attempts,
            reason,
            waiting.last_fault or "",
            extra={"action": "event_dead_lettered", "subscription": to.name},
        )
        return letter

    def _after(
        self,
        to: EventSubscription,
        courier: Courier,
        outcomes: Sequence[tuple[Delivery, Attempt]],
    ) -> Courier:
        """The courier after a round: it holds back when all failed, or was asked to."""
        attempts = [attempt for _, attempt in outcomes]
        delivered = sum(a.verdict is Verdict.DELIVERED for a in attempts)
        faults = [a for a in attempts if a.verdict is not Verdict.DELIVERED]
        # A refusal of one event is an answer all the same: the receiver is there. And an event
        # that has failed before says nothing of the others, unless they were failing too.
        is_news = courier.failures > 0 or any(each.attempts == 0 for each, _ in outcomes)
        down = is_news and bool(attempts) and all(a.verdict is Verdict.RETRY for a in attempts)
        failures = courier.failures + 1 if down else 0
        pause = max((a.pause for a in attempts), default=0.0)
        if down:
            pause = max(pause, pause_after(failures, self._rng))
        if to.allowed_rate is not None:
            pause = max(pause, 60.0 * len(attempts) / to.allowed_rate)
        return courier.but(
            phase=Phase.HELD if pause else Phase.BUSY,
            until=self._now() + pause,
            failures=failures,
            last_fault=faults[-1].fault if faults else courier.last_fault,
            delivered=courier.delivered + delivered,
            failed_attempts=courier.failed_attempts + len(faults),
        )

    async def _waiting(self, uid: str, most: int) -> list[Delivery]:
        page = await self._store.query(
            delivery.KIND, partition=delivery.partition(uid), page_size=most
        )
        return [delivery_of(d) for d in page.documents]

    async def _give_all_up(self, to: EventSubscription, courier: Courier) -> Step[Courier]:
        """It takes no events any more: what waits can be read and redelivered for a while."""
        waiting = await self._waiting(courier.uid, _PAGE)
        if not waiting:
            return self._resting(courier.but(phase=Phase.IDLE, failures=0))
        left = [self._given_up(to, each, f"Subscription{to.state.value}") for each in waiting]
        after = courier.but(phase=Phase.BUSY, failures=0)
        return self._goes_on(to, courier, after, waiting, left)

    async def _clear(self, courier: Courier, document: Document) -> Step[Courier] | None:
        """The subscription is gone: so is what waits for it, and last the courier."""
        left = False
        for kind in (delivery.KIND, delivery.DEAD_KIND):
            page = await self._store.query(kind, partition=document.partition, page_size=100)
            if page.documents:
                left = True
                await self._store.transact(
                    document.partition, [Delete(d.id) for d in page.documents]
                )
        if left:
            return Step(courier, 0.0)
        await self._store.transact(document.partition, [Delete(document.id, document.etag)])
        return None

    def _is_too_old(self, to: EventSubscription, waiting: Delivery) -> bool:
        lives = to.properties.retry_policy.event_time_to_live.total_seconds()
        return self._now() - waiting.since > lives

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _at_once(subscription: EventSubscription) -> int:
    """Not more than a tenth of a minute's requests at the same moment."""
    rate = subscription.allowed_rate
    return AT_ONCE if rate is None else max(1, min(AT_ONCE, rate // 10))
