"""A page of the ledger: what ran on one day, by who pays, as one meter has seen it; and what runs
on, up to when it is counted.

Pages add up: a day has as many as were begun on it. A full page is followed by another, and so is
a day's last by the next day's first, which takes over what runs on.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Self

from domain.ledger.counting.account import Account
from domain.ports import Document, Json
from domain.values import Value

KIND = "ledgerPage"
HEAD_KIND = "ledgerHead"
HEAD_ID = "head"
MOST_LINES = 100
"""Of a page, which is written whole while anything on it runs."""


class LedgerLine(Value):
    """`seconds` of instances or workers, for `busy` of which jobs are known to have worked."""

    collection: str
    endpoint: str
    deployment: str
    job: str
    instance_type: str
    workers: int
    tags: dict[str, str] = {}
    seconds: float = 0.0
    busy: float = 0.0

    @property
    def account(self) -> Account:
        return Account(
            self.collection,
            self.endpoint,
            self.deployment,
            self.job,
            self.instance_type,
            self.workers,
            tuple(sorted(self.tags.items())),
        )

    @classmethod
    def of(cls, account: Account) -> Self:
        fields = account._asdict()
        return cls(**{**fields, "tags": dict(account.tags)})


class OpenLife(Value):
    """One that goes on, or has ended and is told of yet, counted until then; `busy` as it was
    told of it."""

    until: float
    busy: dict[str, float] = {}


class LedgerPage(Value):
    """`day` is 2026-01-31, in UTC."""

    day: str
    number: int
    lines: tuple[LedgerLine, ...] = ()
    open: dict[str, OpenLife] = {}

    @property
    def id(self) -> str:
        return f"{self.day}:{self.number:06d}"

    def to_body(self) -> Json:
        return {
            "kind": KIND,
            "day": self.day,
            "month": self.day[:7],
            "page": self.to_document(),
        }


def page_of(document: Document) -> LedgerPage:
    return LedgerPage.from_document(document.body["page"])


def partition_of(scope: str) -> str:
    return f"ledger/{scope}"


def day_of(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).date().isoformat()


def by_day(since: float, until: float) -> Iterator[tuple[str, float]]:
    """The days that a span touches, each with the seconds of it that are its own."""
    at = since
    while at < until:
        midnight = datetime.fromtimestamp(at, UTC).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        end = min((midnight + timedelta(days=1)).timestamp(), until)
        yield midnight.date().isoformat(), end - at
        at = end


class Sums:
    """Lines that are being added to."""

    def __init__(self, lines: Mapping[Account, tuple[float, float]]) -> None:
        self._sums = dict(lines)

    @classmethod
    def of(cls, page: LedgerPage) -> Self:
        return cls({line.account: (line.seconds, line.busy) for line in page.lines})

    def add(self, account: Account, seconds: float, busy: float) -> None:
        before = self._sums.get(account, (0.0, 0.0))
        self._sums[account] = before[0] + seconds, before[1] + busy

    def has_room(self, account: Account) -> bool:
        return account in self._sums or len(self._sums) < MOST_LINES

    def lines(self) -> tuple[LedgerLine, ...]:
        return tuple(
            LedgerLine.of(account).but(seconds=round(seconds, 6), busy=round(busy, 6))
            for account, (seconds, busy) in self._sums.items()
        )
