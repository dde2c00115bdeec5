"""The ledger's lines of a time, with figures of requests and what all of it costs."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from domain.figures.figure_gathering import FigureGathering
from domain.figures.request_figures import BYTES_MOVED
from domain.jobs import job_usage
from domain.jobs.job_usage import JobUsage
from domain.ledger.counting.account import BATCH, ONLINE, Account
from domain.ledger.counting.account_finding import LOCAL
from domain.ledger.counting.ledger_page import KIND, LedgerLine, page_of
from domain.ledger.counting.life_counting import LifeCounting
from domain.ledger.price_sheet import GIB, HOUR, MONTH_DAYS, PriceSheet
from domain.ledger.stored.stored_page import KIND as STORED_KIND
from domain.ledger.stored.stored_page import StoredLine
from domain.ledger.stored.stored_page import page_of as stored_page_of
from domain.ledger.stored.stored_page import partition_of as stored_in
from domain.ledger.usage import Meter, Usage
from domain.ports import Capabilities, Clock, Document, ResourceStore, all_documents
from domain.ports.records.figure_store import FigureQuery, FigureStore

_MINUTE = 60
_STEP = 3600
_PAGE = 500


class _Asked(NamedTuple):
    """Of one day and deployment, as figures have it."""

    requests: float = 0.0
    seconds: float = 0.0
    moved: float = 0.0


Place = tuple[str, str, str]
"""A day, an endpoint and a deployment, in lower case."""


class UsageReading:
    """Instances are counted up to the moment, as far as this host runs them itself, or a few
    seconds late; requests as their figures are."""

    def __init__(
        self,
        store: ResourceStore,
        figures: FigureStore,
        gathering: FigureGathering,
        capabilities: Capabilities,
        counting: LifeCounting | None,
        clock: Clock,
    ) -> None:
        self._store = store
        self._figures = figures
        self._gathering = gathering
        self._capabilities = capabilities
        self._counting = counting
        self._clock = clock

    async def read(
        self, since: date, until: date, prices: PriceSheet, *, by_day: bool
    ) -> list[Usage]:
        """Of every day from `since` to `until`, both included, in order of day and account. Where
        it is not asked `by_day`, what was stored is told of a month at once, on a day of it."""
        if self._counting is not None:
            await self._counting.count()
        if self._figures.period < _MINUTE:
            await self._gathering.flush()
        lines = await self._lines(since, until)
        asked = await self._asked(since, until)
        pricing = Pricing(prices, self._capabilities)
        found = [
            *_of_lines(lines, asked, pricing),
            *_of_requests(lines, asked, pricing),
            *_of_jobs(lines, await self._moved(since, until), pricing),
        ]
        stored = await self._stored(since, until)
        last = min(until, self._clock.now().date())
        for line in stored:
            found += _of_stored(line, since, last, pricing, by_day=by_day)
        return sorted(found, key=lambda each: (each.day, each.account, each.meter))

    async def _lines(self, since: date, until: date) -> dict[tuple[str, Account], LedgerLine]:
        """Added up over pages."""
        sums: dict[tuple[str, Account], LedgerLine] = {}
        for page in [page_of(each) async for each in self._days(KIND, since, until)]:
            for line in page.lines:
                at = page.day, line.account
                seconds, busy = line.seconds, line.busy
                if at in sums:
                    seconds, busy = seconds + sums[at].seconds, busy + sums[at].busy
                sums[at] = line.but(seconds=seconds, busy=busy)
        return sums

    async def _moved(self, since: date, until: date) -> list[JobUsage]:
        found = self._days(job_usage.KIND, since, until)
        return [job_usage.usage_of(each) async for each in found]

    async def _stored(self, since: date, until: date) -> list[StoredLine]:
        found: list[StoredLine] = []
        for month in _months(since, until):
            documents = all_documents(self._store, STORED_KIND, partition=stored_in(month))
            async for document in documents:
                found += stored_page_of(document).lines
        return found

    async def _days(self, kind: str, since: date, until: date) -> AsyncIterator[Document]:
        """Documents of a kind that are of a day."""
        first, last = since.isoformat(), until.isoformat()
        for month in _months(since, until):
            continuation: str | None = None
            while True:
                found = await self._store.query(
                    kind, where={"month": month}, page_size=_PAGE, continuation=continuation
                )
                for document in found.documents:
                    if first <= document.body["day"] <= last:
                        yield document
                continuation = found.continuation
                if continuation is None:
                    break

    async def _asked(self, since: date, until: date) -> dict[Place, _Asked]:
        asked = FigureQuery(
            "onlineendpoints/*",
            ("RequestsPerMinute", "RequestLatency", BYTES_MOVED),
            _STEP,
            _midnight(since),
            _midnight(until + timedelta(days=1)),
        )
        sums: dict[Place, _Asked] = defaultdict(_Asked)
        for series, at, _, amounts in await self._figures.read(asked):
            day = datetime.fromtimestamp(at, UTC).date().isoformat()
            endpoint = series.subject.partition("/")[2]
            place = day, endpoint, series.dimensions[0].casefold()
            before = sums[place]
            match series.metric:
                case "RequestsPerMinute":
                    sums[place] = before._replace(requests=before.requests + amounts.total)
                case "RequestLatency":
                    seconds = before.seconds + amounts.total / 1000
                    sums[place] = before._replace(seconds=seconds)
                case _:
                    sums[place] = before._replace(moved=before.moved + amounts.total)
        return sums


class Pricing:
    """What things cost here."""

    def __init__(self, prices: PriceSheet, capabilities: Capabilities) -> None:
        self._prices = prices
        self._sizes = capabilities.sizes()
        self._machine = self._sizes.get(LOCAL)
        self._known: dict[str, float | None] = {}

    def per_hour(self, instance_type: str) -> float | None:
        if instance_type not in self._known:
            found = self._prices.per_hour(instance_type, self._sizes, self._machine)
            self._known[instance_type] = found
        return self._known[instance_type]

    def time(self, account: Account, seconds: float) -> float | None:
        per_hour = self.per_hour(account.instance_type)
        return None if per_hour is None else seconds / HOUR / account.workers * per_hour

    def requests(self, number: float) -> float:
        return number / 1e6 * self._prices.million_requests

    def moved(self, size: float) -> float:
        return size / GIB * self._prices.gib_moved

    def stored(self, size: float) -> float:
        """For one day."""
        return size / GIB * self._prices.gib_stored_per_month / MONTH_DAYS


def _of_lines(
    lines: dict[tuple[str, Account], LedgerLine], asked: dict[Place, _Asked], pricing: Pricing
) -> Iterator[Usage]:
    whole: dict[Place, float] = defaultdict(float)
    for (day, account), line in lines.items():
        if account.collection == ONLINE:
            whole[_place(day, account)] += line.seconds
    for (day, account), line in lines.items():
        meter, busy = Meter.WORKER_SECONDS, line.busy
        if account.collection != BATCH:
            meter, place = Meter.INSTANCE_SECONDS, _place(day, account)
            # Requests at the same time count each: what is told to be idle surely was.
            busy = asked[place].seconds * line.seconds / (whole[place] or 1.0)
        idle = max(line.seconds - busy, 0.0)
        yield Usage(
            day,
            account,
            meter,
            line.seconds,
            pricing.time(account, line.seconds),
            idle,
            pricing.time(account, idle),
        )


def _of_requests(
    lines: Iterable[tuple[str, Account]], asked: dict[Place, _Asked], pricing: Pricing
) -> Iterator[Usage]:
    """By the names and tags that deployments had when they ran that day."""
    accounts = {_place(day, each): each for day, each in lines if each.collection == ONLINE}
    for place, found in asked.items():
        day, endpoint, deployment = place
        account = accounts.get(place) or Account(ONLINE, endpoint, deployment)
        account = account._replace(instance_type="")
        if found.requests:
            cost = pricing.requests(found.requests)
            yield Usage(day, account, Meter.REQUESTS, found.requests, cost)
        if found.moved:
            yield Usage(day, account, Meter.BYTES_MOVED, found.moved, pricing.moved(found.moved))


def _of_jobs(
    lines: Iterable[tuple[str, Account]], moved: Iterable[JobUsage], pricing: Pricing
) -> Iterator[Usage]:
    """By the tags that a job had when it ran, its endpoint's and deployment's among them."""
    accounts = {each.job: each for _, each in lines if each.collection == BATCH}
    for each in moved:
        tags = tuple(sorted(each.tags.items()))
        said = Account(BATCH, each.endpoint, each.deployment, each.job, tags=tags)
        account = accounts.get(each.job, said)._replace(instance_type="", workers=1)
        for meter, size in ((Meter.BYTES_READ, each.read), (Meter.BYTES_WRITTEN, each.written)):
            if size:
                yield Usage(each.day, account, meter, float(size), pricing.moved(size))


def _of_stored(
    line: StoredLine, since: date, until: date, pricing: Pricing, *, by_day: bool
) -> Iterator[Usage]:
    """In bytes, for each day that they are there."""
    days, account = list(line.days(since, until)), line.account
    for day in days if by_day else days[:1]:
        size = float(line.size if by_day else line.size * len(days))
        yield Usage(day, account, Meter.BYTES_STORED, size, pricing.stored(size))


def _place(day: str, account: Account) -> Place:
    return day, account.endpoint.casefold(), account.deployment.casefold()


def _months(since: date, until: date) -> Iterator[str]:
    at = since.replace(day=1)
    while at <= until:
        yield at.isoformat()[:7]
        at = (at + timedelta(days=32)).replace(day=1)


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
