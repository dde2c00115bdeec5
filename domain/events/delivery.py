"""An event that waits for one subscription, one that was given up, and how a subscription's
deliveries stand.

All of a subscription's are in one partition, so that an attempt's outcome is one transaction.
A delivery's id begins with the moment it is due: in order of id is in order of time.
"""

import random
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Self

from domain.ground.facts import Event
from domain.ports import Create, Document, Json, WebhookAnswer
from domain.values import Value

KIND = "eventDelivery"
DEAD_KIND = "deadLetter"
COURIER_KIND = "eventCourier"
COURIER_ID = "courier"

DEAD_LETTER_TTL = timedelta(days=7)
"""How long an event that was given up can be read and redelivered."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 600.0
LONGEST_RETRY_AFTER = 3600.0

_NEVER_BETTER = frozenset({400, 413, 415, 422})
"""Answers that say the event itself will not do: the same event will get the same again."""


def partition(uid: str) -> str:
    return f"eventDeliveries/{uid}"


class Delivery(Value):
    """`since` (Unix seconds) is when it was first due; its time to live counts from there."""

    event: Event
    since: float
    due: float
    attempts: int = 0
    last_fault: str | None = None

    @classmethod
    def first(cls, event: Event, now: float | None = None) -> Self:
        """Due at once: since the event's own time, so that giving it twice is giving it
        once; or since `now`, for one that is redelivered."""
        since = event.time.timestamp() if now is None else now
        return cls(event=event, since=since, due=since)

    @property
    def id(self) -> str:
        return f"due:{int(self.due * 1000):015}:{self.event.id}"

    def creation(self) -> Create:
        return Create(self.id, {"kind": KIND, "delivery": self.to_document()})

    def failed(self, fault: str, due: float) -> Self:
        return self.but(attempts=self.attempts + 1, last_fault=fault, due=due)


def delivery_of(document: Document) -> Delivery:
    return Delivery.from_document(document.body["delivery"])


class DeadLetter(Value):
    """An event that was given up at `at` (Unix seconds), and why."""

    event: Event
    reason: str
    attempts: int
    at: float
    last_fault: str | None = None

    @property
    def id(self) -> str:
        return f"dead:{int(self.at * 1000):015}:{self.event.id}"

    def creation(self) -> Create:
        body: Json = {"kind": DEAD_KIND, "event": self.event.id, "letter": self.to_document()}
        return Create(self.id, body, ttl=int(DEAD_LETTER_TTL.total_seconds()))


def dead_letter_of(document: Document) -> DeadLetter:
    return DeadLetter.from_document(document.body["letter"])


class Phase(StrEnum):
    """IDLE: nothing waits. BUSY: a message is on its way, or being handled. WAITING: all
    that waits is due later. HELD: nothing goes out before `until`, whatever comes."""

    IDLE = "Idle"
    BUSY = "Busy"
    WAITING = "Waiting"
    HELD = "Held"


class Courier(Value):
    """How one subscription's deliveries stand. `chain` and `tick` fence the messages that
    drive it. `failures` counts rounds in a row in which every attempt failed."""

    subscription: str
    uid: str
    phase: Phase = Phase.IDLE
    until: float = 0.0
    failures: int = 0
    last_fault: str | None = None
    delivered: int = 0
    failed_attempts: int = 0
    dead_lettered: int = 0
    chain: int = 0
    tick: int = 0

    def to_body(self) -> Json:
        return {"kind": COURIER_KIND, "courier": self.to_document()}


def courier_of(document: Document) -> Courier:
    return Courier.from_document(document.body["courier"])


class Verdict(StrEnum):
    DELIVERED = "delivered"
    RETRY = "retry"
    GIVE_UP = "give up"
    GONE = "gone"


def verdict_on(answer: WebhookAnswer) -> Verdict:
    """What an answer means for the event, by the CloudEvents webhook specification."""
    if 200 <= answer.status < 300:
        return Verdict.DELIVERED
    if answer.status == 410:
        return Verdict.GONE
    return Verdict.GIVE_UP if answer.status in _NEVER_BETTER else Verdict.RETRY


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the receiver asks to be left alone, an hour at most; 0 for none. (A date
    is not read: the pause grows by itself.)"""
    text = headers.get("retry-after", "").strip()
    return min(float(text), LONGEST_RETRY_AFTER) if text.isascii() and text.isdigit() else 0.0


def pause_after(failures: int, rng: random.Random) -> float:
    """Seconds before the next try: doubled with each failure, ten minutes at most; up to a
    quarter less by chance, so that what failed together does not come back together."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 20))
    return longest * rng.uniform(0.75, 1.0)
