"""What is stored, looked at a few times a day and written down where it has changed.

Of versions it is known from their registration. A job that has ended writes no more: what it left
is looked at when it is first seen, and then once a week, in case somebody deleted it; so is what is
left of those that are gone. Inboxes and what deployments collect are looked at once a day.
"""

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from domain.errors import DocumentExists, DocumentNotFound, DomainError, StaleETag
from domain.ledger.stored.stored_owners import StoredOwner
from domain.ledger.stored.stored_page import (
    KIND,
    MOST_LINES,
    StoredLine,
    StoredPage,
    page_of,
    partition_of,
)
from domain.ports import (
    BlobStore,
    Clock,
    Create,
    Document,
    Replace,
    ResourceStore,
    all_documents,
)
from domain.usage.blob_sizes import bytes_of

_log = logging.getLogger("ml_endpoints.ledger")

_PARTITION = "ledger/stored"
_HEAD = "count"
HEAD_KIND = "storedCount"
_SELDOM = timedelta(days=7)
_AT_ONCE = 200


@dataclass
class _Page:
    """One that is there has its document's ETag."""

    page: StoredPage
    etag: str | None = None
    lines: list[StoredLine] = field(default_factory=list)
    is_changed: bool = False


class StoredCounting:
    """By whichever host comes first, every `period`. Pages are kept for `keep`."""

    def __init__(
        self,
        store: ResourceStore,
        blobs: BlobStore,
        owners: Callable[[], AsyncIterator[StoredOwner]],
        clock: Clock,
        *,
        period: timedelta,
        keep: timedelta,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._owners = owners
        self._clock = clock
        self._period = period
        self._ttl = int((keep + timedelta(days=31)).total_seconds())

    async def count(self) -> bool:
        """Whether it was time to, and nobody else did."""
        now = self._clock.now()
        try:
            head = await self._claimed(now.timestamp())
            if head is None:
                return False
            day, before = now.date(), str(head.body["month"])
            month = _Month(self._store, day, self._ttl)
            await month.read(before)
            await self._count(month, day)
            await month.save()
            if before != month.name:
                body = {**head.body, "month": month.name}
                await self._store.transact(_PARTITION, [Replace(_HEAD, body, head.etag)])
        except (StaleETag, DocumentExists, DocumentNotFound):
            return False  # Another host counts, too.
        except DomainError as error:
            _log.warning("What is stored is counted later: %r", error)
            return False
        return True

    async def _claimed(self, now: float) -> Document | None:
        """Whose `month` is the last that was counted to its end, '' for none; None where it is not
        time yet."""
        try:
            head = await self._store.get(_PARTITION, _HEAD)
        except DocumentNotFound:
            body = {"kind": HEAD_KIND, "at": now, "month": ""}
            [written] = await self._store.transact(_PARTITION, [Create(_HEAD, body)])
            return written
        if now < head.body["at"] + self._period.total_seconds():
            return None
        body = {**head.body, "at": now}
        [written] = await self._store.transact(_PARTITION, [Replace(_HEAD, body, head.etag)])
        return written

    async def _count(self, month: "_Month", day: date) -> None:
        left, seen = dict(month.open), 0
        async for owner in self._owners():
            left.pop(owner.key, None)
            month.put(await self._line(owner, month.open.get(owner.key), day))
            seen += 1
            if seen % _AT_ONCE == 0:
                # What has been looked at is not looked at again, if this comes to no end.
                await month.save()
        for line in left.values():
            month.put(await self._gone(line, day))

    async def _line(self, owner: StoredOwner, before: StoredLine | None, day: date) -> StoredLine:
        line = StoredLine.of(owner.key, owner.account, owner.places, day.isoformat())
        if before is not None and before.places == line.places and not before.is_gone:
            line = line.but(found=before.found, walked=before.walked)
        line = await self._looked_at(line, day, timedelta(1) if owner.changes else _SELDOM)
        return line.but(size=owner.known + line.found)

    async def _gone(self, line: StoredLine, day: date) -> StoredLine:
        """Of an owner that is not there any more: files may still be."""
        found = line.but(is_gone=True, since=day.isoformat())
        if not line.is_gone:
            found = found.but(walked="")
        found = await self._looked_at(found, day, _SELDOM)
        return found.but(size=found.found)

    async def _looked_at(self, line: StoredLine, day: date, every: timedelta) -> StoredLine:
        if line.walked and day < date.fromisoformat(line.walked) + every:
            return line
        found = sum([await bytes_of(self._blobs, each) for each in line.folders])
        return line.but(found=found, walked=day.isoformat())


class _Month:
    """The pages of a month, and which of their lines go on, by whose they are."""

    def __init__(self, store: ResourceStore, day: date, ttl: int) -> None:
        self._store = store
        self._day = day
        self.name = day.isoformat()[:7]
        self._ttl = ttl
        self._pages: list[_Page] = []
        self._places: dict[str, tuple[_Page, int]] = {}
        self.open: dict[str, StoredLine] = {}

    async def read(self, before: str) -> None:
        """Of a month that begins, what went on in `before`, the one that was counted last, goes on
        from its first day."""
        known = set[str]()
        async for page in self._read(self.name):
            self._pages.append(page)
            for place, line in enumerate(page.lines):
                known.add(line.key)
                if line.until is None:
                    self._places[line.key] = page, place
                    self.open[line.key] = line
        if not before or before == self.name:
            return
        async for page in self._read(before):
            for line in page.lines:
                if line.until is None and line.key not in known:
                    self._add(line.but(since=f"{self.name}-01"))

    async def _read(self, month: str) -> AsyncIterator[_Page]:
        found = all_documents(self._store, KIND, partition=partition_of(month))
        async for document in found:
            yield _loaded(document)

    def put(self, line: StoredLine) -> None:
        """In place of the one that went on."""
        before, today = self.open.get(line.key), self._day.isoformat()
        if before is None:
            if line.size:
                self._add(line)
            return
        is_same = (before.size, before.account) == (line.size, line.account)
        if is_same or (before.since == today and line.size):
            self._set(line.but(since=before.since))
            return
        # What was there today at all counts for today.
        until = today
        if before.since == today:
            until = (self._day + timedelta(days=1)).isoformat()
        self._set(before.but(until=until))
        del self.open[line.key], self._places[line.key]
        if line.size:
            self._add(line)

    def _set(self, line: StoredLine) -> None:
        page, place = self._places[line.key]
        if page.lines[place] != line:
            page.lines[place] = line
            page.is_changed = True
        self.open[line.key] = line

    def _add(self, line: StoredLine) -> None:
        page = self._pages[-1] if self._pages else None
        if page is None or len(page.lines) >= MOST_LINES:
            page = _Page(StoredPage(month=self.name, number=len(self._pages) + 1))
            self._pages.append(page)
        page.lines.append(line)
        page.is_changed = True
        self._places[line.key] = page, len(page.lines) - 1
        self.open[line.key] = line

    async def save(self) -> None:
        """What has changed. Raises StaleETag and DocumentExists where another host has written,
        too: it is all counted again then."""
        for each in self._pages:
            if not each.is_changed:
                continue
            page = each.page.but(lines=tuple(each.lines))
            write: Create | Replace
            if each.etag is None:
                write = Create(page.id, page.to_body(), ttl=self._ttl)
            else:
                write = Replace(page.id, page.to_body(), each.etag, ttl=self._ttl)
            [written] = await self._store.transact(partition_of(page.month), [write])
            each.etag, each.is_changed = written.etag, False


def _loaded(document: Document) -> _Page:
    page = page_of(document)
    return _Page(page, document.etag, list(page.lines))
