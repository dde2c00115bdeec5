"""The time that instances and workers run, counted into the ledger while they do.

Every few seconds what runs is counted up to now: in one transaction the seconds are added to the
day's page and each life is marked as counted up to then. Whoever counts next, this host or one
that takes its place, goes on from the mark: whatever is repeated, lost or done by two at once
counts a second once. Of instances that end with a host that is killed, what came after its last
count is lost.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from domain.errors import DocumentExists, DocumentNotFound, DomainError, StaleETag
from domain.ground.flushing import Flushing
from domain.ledger.counting.account import Account
from domain.ledger.counting.account_finding import AccountFinding
from domain.ledger.counting.ledger_page import (
    HEAD_ID,
    HEAD_KIND,
    LedgerPage,
    OpenLife,
    Sums,
    by_day,
    day_of,
    page_of,
    partition_of,
)
from domain.ports import Create, Document, Replace, ResourceStore, Write
from domain.ports.records.running_meter import Life, Reading, RunningMeter

_log = logging.getLogger("ml_endpoints.ledger")

_SHARED = "shared"
_AT_ONCE = 500
"""Lives that one transaction counts."""
_LONGEST = 30 * 86400.0


@dataclass(frozen=True)
class _Spent:
    day: str
    key: str
    seconds: float
    busy: float


@dataclass(frozen=True)
class _Head:
    """The page that is being written, and the document that says which it is."""

    page: LedgerPage
    of_page: Document
    of_head: Document


class LifeCounting:
    """Of what `meter` tells, every `period` seconds while anything runs; pages are kept for
    `keep`. One event loop owns it."""

    def __init__(
        self,
        store: ResourceStore,
        meter: RunningMeter,
        accounts: AccountFinding,
        *,
        period: float,
        keep: timedelta,
    ) -> None:
        self._store = store
        self._meter = meter
        self._accounts = accounts
        self._ttl = int(keep.total_seconds())
        self._partition = partition_of(_SHARED if meter.is_shared else uuid4().hex)
        self._head: _Head | None = None
        self._is_read = False
        self._one_count = asyncio.Lock()
        self._flushing = Flushing(self.count, self._is_left, period=period)
        meter.tell(self._flushing.ask, self.count)

    async def count(self) -> None:
        """Everything up to now. What the store does not take is counted the next time."""
        async with self._one_count:
            reading = self._meter.read()
            if reading is None:
                self._forget()
                return
            try:
                if await self._count(reading):
                    self._meter.kept(reading)
            except (StaleETag, DocumentExists, DocumentNotFound):
                # Another counts too, or has taken over; or the answer to the last count was lost.
                self._forget()
                self._flushing.ask()
            except DomainError as error:
                self._forget()
                self._flushing.ask()
                _log.warning("The time that instances run is counted later: %r", error)

    async def close(self) -> None:
        """Count what is left, and no more on a timer."""
        await self._flushing.end()
        await self.count()

    def _is_left(self) -> bool:
        return self._meter.has_any or (self._head is not None and bool(self._head.page.open))

    def _forget(self) -> None:
        self._head, self._is_read = None, False

    async def _count(self, reading: Reading) -> bool:
        """Whether all of it is kept."""
        if not self._is_read:
            self._head = await self._read()
            self._is_read = True
        lives, whole = list(reading.lives), True
        there = {life.id for life in lives}
        for at in range(0, max(len(lives), 1), _AT_ONCE):
            some = lives[at : at + _AT_ONCE]
            is_last = at + _AT_ONCE >= len(lives)
            whole &= await self._count_some(some, reading.at, there if is_last else None)
        return whole

    async def _count_some(self, lives: Sequence[Life], at: float, there: set[str] | None) -> bool:
        """`there`: all others have ended, nobody knows when."""
        page = self._head.page if self._head is not None else None
        before = page.open if page is not None else {}
        running = {id: each for id, each in before.items() if there is None or id in there}
        spent, whole = list[_Spent](), True
        for life in lives:
            since = before[life.id].until if life.id in before else life.since
            until = _counted_until(life, since, at)
            whole &= until == (at if life.until is None else life.until) or until <= since
            spent += _spent(life, before.get(life.id), since, until)
            # Marked although it may have ended, while it is told of: were the answer to this
            # lost, it would be counted anew.
            running[life.id] = OpenLife(until=until, busy=dict(life.busy))
        if page is None and not running and not spent:
            return whole
        accounts = {key: await self._accounts.of(key) for key in {each.key for each in spent}}
        pages = _pages(page, spent, accounts, at)
        pages = [*(each.but(open={}) for each in pages[:-1]), pages[-1].but(open=running)]
        if pages[-1] != page:
            self._head = await self._save(pages)
        return whole

    async def _read(self) -> _Head | None:
        """The page that was written last, by whom ever."""
        try:
            head = await self._store.get(self._partition, HEAD_ID)
            of_page = await self._store.get(self._partition, head.body["page"])
        except DocumentNotFound:
            return None
        return _Head(page_of(of_page), of_page, head)

    async def _save(self, pages: Sequence[LedgerPage]) -> _Head:
        """The first of them in the place of the one that is there, if it is that; each other is
        new. All in one transaction, so that no life is open in two pages."""
        head, writes = self._head, list[Write]()
        for page in pages:
            if head is not None and page.id == head.page.id:
                etag = head.of_page.etag
                writes.append(Replace(page.id, page.to_body(), etag, ttl=self._ttl))
            else:
                writes.append(Create(page.id, page.to_body(), ttl=self._ttl))
        last = pages[-1]
        body = {"kind": HEAD_KIND, "page": last.id}
        if head is None:
            writes.append(Create(HEAD_ID, body, ttl=self._ttl))
        elif head.page.id != last.id:
            writes.append(Replace(HEAD_ID, body, head.of_head.etag, ttl=self._ttl))
        written = await self._store.transact(self._partition, writes)
        is_new = head is None or head.page.id != last.id
        of_head = written[-1] if is_new or head is None else head.of_head
        return _Head(last, written[len(pages) - 1], of_head)


def _counted_until(life: Life, since: float, at: float) -> float:
    """No more than a month at a time: the rest comes with the next count."""
    until = at if life.until is None else life.until
    return max(since, min(until, since + _LONGEST))


def _spent(life: Life, known: OpenLife | None, since: float, until: float) -> Iterator[_Spent]:
    """What a life has come to since it was last counted."""
    whole = (until - since) * life.amount
    if not whole:
        return
    busy = {}
    for key, seconds in life.busy.items():
        counted = known.busy.get(key, 0.0) if known is not None else 0.0
        # Who has begun to tell of it only now tells less than was counted before.
        more = seconds - counted if seconds >= counted else seconds
        if more > 0:
            busy[key] = more
    fits = min(1.0, whole / total) if (total := sum(busy.values())) else 1.0
    rest = whole - total * fits
    for day, seconds in by_day(since, until):
        part = seconds / (until - since)
        for key, more in busy.items():
            yield _Spent(day, key, more * fits * part, more * fits * part)
        if rest > 0:
            yield _Spent(day, life.key, rest * part, 0.0)


def _pages(
    page: LedgerPage | None, spent: Sequence[_Spent], accounts: dict[str, Account], at: float
) -> list[LedgerPage]:
    """The page with what was spent on its day as far as it has room; then those that follow, the
    last of them of today."""
    today = day_of(at)
    by_days: dict[str, list[_Spent]] = {}
    for each in spent:
        by_days.setdefault(each.day, []).append(each)
    if page is None:
        page = LedgerPage(day=min([today, *by_days]), number=1)
    done: list[LedgerPage] = []
    for day in sorted({*by_days, page.day, max(today, page.day)}):
        if day > page.day:
            done.append(page)
            page = LedgerPage(day=day, number=page.number + 1)
        sums = Sums.of(page)
        for each in by_days.get(day, ()):
            account = accounts[each.key]
            if not sums.has_room(account):
                done.append(page.but(lines=sums.lines()))
                page = LedgerPage(day=page.day, number=page.number + 1)
                sums = Sums.of(page)
            sums.add(account, each.seconds, each.busy)
        page = page.but(lines=sums.lines())
    return [*done, page]
