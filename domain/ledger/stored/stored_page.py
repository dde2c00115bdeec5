"""A page of what is stored: lines of one month, each for how long it was so much, by who pays.

A line that goes on is in no need of being written: it holds for every day from its first until it
is closed, or its month has ended.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Self

from domain.ledger.counting.account import Account
from domain.ports import BlobFolder, Document, Json
from domain.values import Value

KIND = "storedPage"
MOST_LINES = 100
"""Of a page, which is written whole when one of its lines changes."""


class StoredLine(Value):
    """`size` bytes on every day from `since` on, until the one before `until`, where that is said.
    `found` of them lay in `places` (container and path) when those were looked into on `walked`.
    `key` is whose it is; `is_gone`: that is not there any more, and what lies there is all."""

    key: str
    collection: str
    endpoint: str
    deployment: str
    job: str
    tags: dict[str, str] = {}
    size: int
    found: int = 0
    places: tuple[tuple[str, str], ...] = ()
    since: str
    until: str | None = None
    walked: str
    is_gone: bool = False

    @classmethod
    def of(cls, key: str, account: Account, places: tuple[BlobFolder, ...], day: str) -> Self:
        """Nothing yet."""
        return cls(
            key=key,
            collection=account.collection,
            endpoint=account.endpoint,
            deployment=account.deployment,
            job=account.job,
            tags=dict(account.tags),
            size=0,
            places=tuple((each.container, each.path) for each in places),
            since=day,
            walked="",
        )

    @property
    def account(self) -> Account:
        tags = tuple(sorted(self.tags.items()))
        return Account(self.collection, self.endpoint, self.deployment, self.job, tags=tags)

    @property
    def folders(self) -> tuple[BlobFolder, ...]:
        return tuple(BlobFolder(*each) for each in self.places)

    def days(self, since: date, until: date) -> Iterator[str]:
        """Those of its own between the two, both included, and of its month."""
        first = date.fromisoformat(self.since)
        last = first.replace(day=monthrange(first.year, first.month)[1])
        if self.until is not None:
            last = min(last, date.fromisoformat(self.until) - timedelta(days=1))
        at, end = max(first, since), min(last, until)
        while at <= end:
            yield at.isoformat()
            at += timedelta(days=1)


class StoredPage(Value):
    """`month` is 2026-01."""

    month: str
    number: int
    lines: tuple[StoredLine, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.number:06d}"

    def to_body(self) -> Json:
        return {"kind": KIND, "month": self.month, "page": self.to_document()}


def page_of(document: Document) -> StoredPage:
    return StoredPage.from_document(document.body["page"])


def partition_of(month: str) -> str:
    return f"ledger/stored/{month}"
