"""Figures over time in a SQLite file of their own: neither documents nor messages wait for
them."""

import json
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from domain.ports.records.figure_store import (
    Amounts,
    Bucket,
    FigureQuery,
    FigureStore,
    Kept,
    Series,
)
from infra.embedded.database.sqlite import Database

# A row's place is its series and time, so that a chart is read in one go.
_SCHEMA = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    dimensions TEXT NOT NULL,
    UNIQUE (subject, metric, dimensions)
);
CREATE TABLE amounts (
    step INTEGER NOT NULL,
    series INTEGER NOT NULL,
    at INTEGER NOT NULL,
    gateway TEXT NOT NULL,
    count INTEGER NOT NULL,
    total REAL NOT NULL,
    least REAL NOT NULL,
    most REAL NOT NULL,
    bands BLOB,
    PRIMARY KEY (step, series, at, gateway)
) WITHOUT ROWID
"""
_LOOKED_AT = 64
"""Series of which what is too old is removed with each `put`."""
_MOST = 2**32 - 1
_LEAST_SHARE = 1 / 1024
_REMEMBERED = 20_000
"""Series whose number is known without asking."""


class SqliteFigureStore(FigureStore):
    """In `path`. `keeps` says how long each step is kept, `now` gives Unix seconds. While there are
    more than `max_bytes`, every step is kept for half as long, and half of that."""

    period = 5

    def __init__(
        self,
        path: Path,
        *,
        keeps: Mapping[int, timedelta],
        max_bytes: int,
        now: Callable[[], float],
    ) -> None:
        self.keeps = dict(sorted(keeps.items()))
        self._database = Database(path, _SCHEMA)
        self._now = now
        self._max_bytes = max_bytes
        self._share = 1.0
        self._ids: dict[Series, int] = {}
        self._looked_at = 0

    async def close(self) -> None:
        await self._database.close()

    async def put(self, gateway: str, buckets: Sequence[Bucket]) -> None:
        now = self._now()

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO amounts"
                " (step, series, at, gateway, count, total, least, most, bands)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                self._rows(connection, gateway, buckets),
            )
            self._forget(connection, now)

        try:
            await self._database.write(write)
        except BaseException:  # what was numbered may be undone
            self._ids = {}
            raise

    async def read(self, asked: FigureQuery) -> Sequence[Kept]:
        marks = ", ".join("?" * len(asked.metrics))
        below = asked.below
        which, values = "subject = ?", list[object]([asked.subject])
        if below is not None:
            # The end is what comes after every text that begins so.
            which = "subject >= ? AND subject < ? AND instr(substr(subject, ?), '/') = 0"
            values = [below, f"{below[:-1]}{chr(ord(below[-1]) + 1)}", len(below) + 1]
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT subject, metric, dimensions, at, gateway, count, total, least, most, bands"
                " FROM series CROSS JOIN amounts"
                " ON amounts.step = ? AND amounts.series = series.id"
                f" WHERE {which} AND metric IN ({marks}) AND at >= ? AND at < ?"
                " ORDER BY subject, metric, dimensions, at, gateway",
                (asked.step, *values, *asked.metrics, asked.since, asked.until),
            ).fetchall()
        )
        return list(_kept(rows))

    def _rows(
        self, connection: sqlite3.Connection, gateway: str, buckets: Sequence[Bucket]
    ) -> Iterator[tuple[Any, ...]]:
        for bucket in buckets:
            if bucket.step not in self.keeps:
                continue
            for series, each in bucket.series.items():
                yield (
                    *(bucket.step, self._id(connection, series), bucket.at, gateway),
                    *(each.count, each.total, each.least, each.most),
                    _written(each.bands),
                )

    def _id(self, connection: sqlite3.Connection, series: Series) -> int:
        found = self._ids.get(series)
        if found is None:
            place = series.subject, series.metric, json.dumps(series.dimensions)
            connection.execute(
                "INSERT INTO series (subject, metric, dimensions) VALUES (?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                place,
            )
            [found] = connection.execute(
                "SELECT id FROM series WHERE subject = ? AND metric = ? AND dimensions = ?", place
            ).fetchone()
            if len(self._ids) >= _REMEMBERED:
                self._ids = {}
            self._ids[series] = found
        return int(found)

    def _fit(self, connection: sqlite3.Connection) -> None:
        """After each round of looking at all series."""
        size = _size(connection)
        if size > self._max_bytes:
            self._share = max(self._share / 2, _LEAST_SHARE)
        elif size < self._max_bytes / 4:
            self._share = min(self._share * 2, 1.0)

    def _forget(self, connection: sqlite3.Connection, now: float) -> None:
        """Of the next few series what is too old, and those of which nothing is left."""
        found = connection.execute(
            "SELECT id FROM series WHERE id > ? ORDER BY id LIMIT ?",
            (self._looked_at, _LOOKED_AT),
        ).fetchall()
        self._looked_at = found[-1][0] if len(found) == _LOOKED_AT else 0
        if not self._looked_at:
            self._fit(connection)
        for (series,) in found:
            left = False
            for step, keep in self.keeps.items():
                connection.execute(
                    "DELETE FROM amounts WHERE step = ? AND series = ? AND at < ?",
                    (step, series, int(now - keep.total_seconds() * self._share)),
                )
                some = "SELECT 1 FROM amounts WHERE step = ? AND series = ? LIMIT 1"
                left = left or connection.execute(some, (step, series)).fetchone() is not None
            if not left:
                connection.execute("DELETE FROM series WHERE id = ?", (series,))
                self._ids = {s: id for s, id in self._ids.items() if id != series}


def _size(connection: sqlite3.Connection) -> int:
    """Bytes in use: what is freed is filled before the file grows."""
    [size] = connection.execute(
        "SELECT (page_count - freelist_count) * page_size"
        " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    ).fetchone()
    return int(size)


def _written(bands: Mapping[int, int] | None) -> bytes | None:
    """Bands and numbers in turn, of 32 bits each."""
    if bands is None:
        return None
    numbers = [each for band, number in bands.items() for each in (band, min(number, _MOST))]
    return struct.pack(f"<{len(numbers)}I", *numbers)


def _kept(rows: Sequence[tuple[Any, ...]]) -> Iterator[Kept]:
    before: tuple[str, str, str] | None = None
    series = Series("", "")
    apart: dict[str, tuple[str, ...]] = {}  # many series differ in their subject alone
    for subject, metric, dimensions, at, gateway, count, total, least, most, written in rows:
        if (subject, metric, dimensions) != before:
            before = subject, metric, dimensions
            if dimensions not in apart:
                apart[dimensions] = tuple(json.loads(dimensions))
            series = Series(subject, metric, apart[dimensions])
        bands = None
        if written is not None:
            numbers = struct.unpack(f"<{len(written) // 4}I", written)
            bands = dict(zip(numbers[::2], numbers[1::2], strict=True))
        yield Kept(series, at, gateway, Amounts(count, total, least, most, bands))
