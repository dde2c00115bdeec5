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

from domain.errors import DocumentExists, DocumentNotFound, StaleETag
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
from domain.events.event_dispatching import LEASE, Couriers
from domain.events.event_sending import Attempt, EventSending
from domain.events.event_subscription import EventSubscription, SubscriptionState
from domain.events.event_subscriptions import EventSubscriptions
from domain.ground.messages import DeliverEvents
from domain.ports import Clock, Delete, Document, Replace, ResourceStore, Write

AT_ONCE = 8
"""Attempts for one subscription at the same time."""

_ROUNDS_LAST = 20.0
_RACES = 20
_PAGE = 40
_log = logging.getLogger("ml_endpoints.events")


class EventDelivering:
    def __init__(
        self,
        store: ResourceStore,
        clock: Clock,
        couriers: Couriers,
        subscriptions: EventSubscriptions,
        sending: EventSending,
        *,
        on_settled: OnSettled | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._couriers = couriers
        self._subscriptions = subscriptions
        self._sending = sending
        self._on_settled = on_settled
        self._rng = rng or random.Random()

    async def deliver(self, message: DeliverEvents, *, redelivered: bool = False) -> None:
        """Deliver what is due, and have the rest come back when it is. `redelivered`: an
        earlier delivery of this message may have failed to send its successor."""
        ends = asyncio.get_running_loop().time() + _ROUNDS_LAST
        races = 0
        while True:
            document = await self._couriers.find(message.uid)
            if document is None:
                return
            courier = courier_of(document)
            if (courier.chain, courier.tick) != (message.chain, message.tick):
                if redelivered and (courier.chain, courier.tick) == (
                    message.chain,
                    message.tick + 1,
                ):
                    await self._couriers.send(courier)
                return
            try:
                after = await self._round(courier, document)
                if after is None and asyncio.get_running_loop().time() < ends:
                    continue
                await self._rest(courier if after is None else after, document, after is None)
                return
            except (StaleETag, DocumentExists, DocumentNotFound):
                races += 1
                if races > _RACES:
                    raise

    async def resume(self, document: Document) -> None:
        """Take over a courier of which nobody has given a sign of life. Raises StaleETag."""
        courier = courier_of(document)
        taken = courier.but(chain=courier.chain + 1, tick=0)
        write = Replace(document.id, taken.to_body(), document.etag, due_at=self._now() + LEASE)
        await self._store.transact(document.partition, [write])
        await self._couriers.send(taken)

    async def _round(self, courier: Courier, document: Document) -> Courier | None:
        """Do what can be done now. None: there may be more; else how the courier rests."""
        subscription = await self._subscriptions.of_courier(courier.subscription, courier.uid)
        if subscription is None:
            return await self._clear(courier, document)
        if subscription.state is SubscriptionState.PENDING:
            return courier.but(phase=Phase.IDLE)  # Becoming Active wakes it.
        if subscription.state is not SubscriptionState.ACTIVE:
            return await self._give_all_up(subscription, courier, document)
        now = self._now()
        if courier.phase is Phase.HELD and now < courier.until:
            return courier
        most = 1 if courier.failures else _at_once(subscription)
        waiting = await self._waiting(courier.uid, most)
        if not waiting:
            return courier.but(phase=Phase.IDLE, failures=0)
        due = [w for w in waiting if w.due <= now]
        if not due:
            return courier.but(phase=Phase.WAITING, until=waiting[0].due)
        return await self._attempt(subscription, courier, document, due)

    async def _attempt(
        self,
        subscription: EventSubscription,
        courier: Courier,
        document: Document,
        due: Sequence[Delivery],
    ) -> Courier | None:
        living = [d for d in due if not self._is_too_old(subscription, d)]
        attempts = await asyncio.gather(
            *(self._sending.send(subscription, d.event) for d in living)
        )
        outcomes = list(zip(living, attempts, strict=True))
        left = [self._settled(subscription, each, attempt) for each, attempt in outcomes]
        left += [
            self._given_up(subscription, each, "TimeToLiveExceeded")
            for each in due
            if each not in living
        ]
        after = self._after(subscription, courier, outcomes)
        await self._save(subscription, courier, after, document, due, left)
        if any(a.verdict is Verdict.GONE for a in attempts):
            told = "The webhook answered 410: it is gone. Validate the subscription to go on."
            await self._subscriptions.disable(subscription.name, subscription.uid, told)
        return None

    async def _save(
        self,
        to: EventSubscription,
        courier: Courier,
        after: Courier,
        document: Document,
        done: Sequence[Delivery],
        left: Sequence[Delivery | DeadLetter | None],
    ) -> None:
        """`left` takes the place of `done`, and `after` of `courier`, with the dead counted."""
        dead = tuple(each.reason for each in left if isinstance(each, DeadLetter))
        after = after.but(dead_lettered=courier.dead_lettered + len(dead))
        writes: list[Write] = [
            Replace(document.id, after.to_body(), document.etag, due_at=self._now() + LEASE)
        ]
        writes += [Delete(each.id) for each in done]
        writes += [each.creation() for each in left if each is not None]
        await self._store.transact(document.partition, writes)
        if self._on_settled is not None:
            self._on_settled(DeliveryRecord.of(to, courier, after, dead))

    def _settled(
        self, to: EventSubscription, waiting: Delivery, attempt: Attempt
    ) -> Delivery | DeadLetter | None:
        """What is left of a delivery after an attempt."""
        told = {"action": f"event_{attempt.verdict.name.lower()}", "subscription": to.name}
        if attempt.verdict is Verdict.DELIVERED:
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
            extra=told,
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

    async def _rest(self, after: Courier, document: Document, goes_on: bool) -> None:
        """Save how the courier rests, and send the message that ends it."""
        latest = document
        if goes_on:
            found = await self._couriers.find(after.uid)
            if found is None:
                return
            latest, after = found, courier_of(found)
        after = after.but(tick=after.tick + 1)
        is_idle = after.phase is Phase.IDLE
        until = self._now() if after.phase is Phase.BUSY else after.until
        due_at = None if is_idle else max(until, self._now()) + LEASE
        write = Replace(latest.id, after.to_body(), latest.etag, due_at=due_at)
        await self._store.transact(latest.partition, [write])
        if not is_idle:
            await self._couriers.send(after)
        if after.phase in (Phase.IDLE, Phase.WAITING):
            # Whatever came before that was saved has found the courier at work.
            waiting = await self._waiting(after.uid, 1)
            if waiting and waiting[0].due <= self._now() and await self._takes(after):
                await self._couriers.wake(after.subscription, after.uid)

    async def _takes(self, courier: Courier) -> bool:
        found = await self._subscriptions.of_courier(courier.subscription, courier.uid)
        return found is None or found.state is not SubscriptionState.PENDING

    async def _waiting(self, uid: str, most: int) -> list[Delivery]:
        page = await self._store.query(
            delivery.KIND, partition=delivery.partition(uid), page_size=most
        )
        return [delivery_of(d) for d in page.documents]

    async def _give_all_up(
        self, to: EventSubscription, courier: Courier, document: Document
    ) -> Courier | None:
        """It takes no events any more: what waits can be read and redelivered for a while."""
        waiting = await self._waiting(courier.uid, _PAGE)
        if not waiting:
            return courier.but(phase=Phase.IDLE, failures=0)
        left = [self._given_up(to, each, f"Subscription{to.state.value}") for each in waiting]
        after = courier.but(phase=Phase.BUSY, failures=0)
        await self._save(to, courier, after, document, waiting, left)
        return None

    async def _clear(self, courier: Courier, document: Document) -> Courier | None:
        """The subscription is gone: so is what waits for it, and last the courier."""
        left = False
        for kind in (delivery.KIND, delivery.DEAD_KIND):
            page = await self._store.query(kind, partition=document.partition, page_size=100)
            if page.documents:
                left = True
                await self._store.transact(
                    document.partition, [Delete(d.id) for d in page.documents]
                )
        if not left:
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
