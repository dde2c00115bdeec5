"""Figures over time as documents of a resource store, which forgets them by itself.

A gateway has one document for each minute in which anything came, and one for each hour, which it
writes together: one transaction a minute, however many series there are, up to what a transaction
may hold. A day's documents share a partition.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.errors import DocumentExists, DocumentNotFound
from domain.ports import Create, Document, Json, Replace, ResourceStore, Write
from domain.ports.records.figure_store import (
    Amounts,
    Bucket,
    FigureQuery,
    FigureStore,
    Kept,
    Series,
)

MINUTE, HOUR, DAY = 60, 3600, 86400
_KINDS = {MINUTE: "figureMinute", HOUR: "figureHour"}
_MOST_IN_ONE = 300_000
"""Characters of series in one document: two of them, and what they come to beyond ASCII, are less
than a document and a transaction may be."""
_DAYS_AT_ONCE = 8
_REMEMBERED = 64


class DocumentFigureStore(FigureStore):
    """`minutes` and `hours` say how long those are kept after their last write."""

    period = MINUTE

    def __init__(self, store: ResourceStore, *, minutes: timedelta, hours: timedelta) -> None:
        self._store = store
        self.keeps = {MINUTE: minutes, HOUR: hours}
        self._made: dict[tuple[str, str], None] = {}

    async def put(self, gateway: str, buckets: Sequence[Bucket]) -> None:
        by_day: dict[str, list[tuple[str, Json, int]]] = {}
        for bucket in buckets:
            if bucket.step in self.keeps:
                ttl = round(self.keeps[bucket.step].total_seconds())
                written = by_day.setdefault(_partition(bucket.at), [])
                written += [(id, body, ttl) for id, body in _documents(gateway, bucket)]
        for partition, documents in by_day.items():
            # A document of each step at a time.
            for place in range(0, len(documents), 2):
                await self._write(partition, documents[place : place + 2])

    async def read(self, asked: FigureQuery) -> Sequence[Kept]:
        if asked.step not in self.keeps:
            return []
        days = range(asked.since // DAY * DAY, asked.until, DAY)
        turns = asyncio.Semaphore(_DAYS_AT_ONCE)

        async def read(day: int) -> list[Kept]:
            async with turns:
                return [k async for d in self._of(day, asked) for k in _kept(d, asked)]

        found = [kept for of_day in await asyncio.gather(*map(read, days)) for kept in of_day]
        return sorted(found, key=lambda kept: kept[:3])

    async def _of(self, day: int, asked: FigureQuery) -> AsyncIterator[Document]:
        """Documents of the day that may have something of what is asked."""
        first, last = max(asked.since, day), min(asked.until, day + DAY) - 1
        hours: Iterator[int | None] = iter([None])
        if asked.step == MINUTE and (last - first) < 12 * HOUR:
            hours = iter(range(first % DAY // HOUR, last % DAY // HOUR + 1))
        for hour in hours:
            continuation: str | None = None
            while True:
                page = await self._store.query(
                    _KINDS[asked.step],
                    partition=_partition(day),
                    where=None if hour is None else {"hour": hour},
                    page_size=200,
                    continuation=continuation,
                )
                for document in page.documents:
                    yield document
                continuation = page.continuation
                if continuation is None:
                    break

    async def _write(self, partition: str, documents: Sequence[tuple[str, Json, int]]) -> None:
        """Create those that are not there yet, and replace the others."""
        for _ in range(2 * len(documents) + 1):
            writes: list[Write] = [
                Replace(id, body, None, ttl=ttl)
                if (partition, id) in self._made
                else Create(id, body, ttl=ttl)
                for id, body, ttl in documents
            ]
            try:
                await self._store.transact(partition, writes)
            except (DocumentExists, DocumentNotFound):
                # A write whose answer got lost; or it has gone, or was this gateway's before.
                for id, _, _ in documents:
                    await self._look(partition, id)
            else:
                for id, _, _ in documents:
                    self._remember(partition, id)
                return

    async def _look(self, partition: str, id: str) -> None:
        try:
            await self._store.get(partition, id)
        except DocumentNotFound:
            self._made.pop((partition, id), None)
        else:
            self._remember(partition, id)

    def _remember(self, partition: str, id: str) -> None:
        self._made[partition, id] = None
        while len(self._made) > _REMEMBERED:
            self._made.pop(next(iter(self._made)))


def _partition(at: int) -> str:
    return f"figures/{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _documents(gateway: str, bucket: Bucket) -> Iterator[tuple[str, Json]]:
    """The bucket's, of which there are several where it is too large for one."""
    at = datetime.fromtimestamp(bucket.at, UTC)
    for number, series in enumerate(_parts(bucket.series)):
        body = {
            "kind": _KINDS[bucket.step],
            "hour": at.hour,
            "at": bucket.at,
            "gateway": gateway,
            "series": series,
        }
        name = f"{at:%H%M}" if bucket.step == MINUTE else f"{at:%H}"
        yield f"{name}-{gateway}" + (f"-{number}" if number else ""), body


def _parts(series: Mapping[Series, Amounts]) -> Iterator[list[list[Any]]]:
    part: list[list[Any]] = []
    size = 0
    for each, amounts in series.items():
        written = _written(each, amounts)
        size += len(json.dumps(written))
        if part and size > _MOST_IN_ONE:
            yield part
            part, size = [], len(json.dumps(written))
        part.append(written)
    yield part


def _written(series: Series, amounts: Amounts) -> list[Any]:
    numbers: list[Any] = [amounts.count, amounts.total, amounts.least, amounts.most]
    if amounts.bands is not None:
        numbers.append([n for band in amounts.bands.items() for n in band])
    return [series.subject, series.metric, list(series.dimensions), numbers]


def _kept(document: Document, asked: FigureQuery) -> Iterator[Kept]:
    body = document.body
    if not asked.since <= body["at"] < asked.until:
        return
    for subject, metric, dimensions, numbers in body["series"]:
        if metric not in asked.metrics or not asked.takes(subject):
            continue
        count, total, least, most, *bands = numbers
        amounts = Amounts(count, total, least, most)
        if bands:
            amounts.bands = dict(zip(bands[0][::2], bands[0][1::2], strict=True))
        series = Series(subject, metric, tuple(dimensions))
        yield Kept(series, body["at"], body["gateway"], amounts)
