"""Scoring requests in a SQLite file of their own, in the order in which they ended.

There is no index but that order: a page that is sought among a million records is found by
looking through them from the newest on, in some tenths of a second
(`python -m benchmarks.figures.requests`), and writing costs requests as little as can be.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from domain.errors import Invalid, Unavailable
from domain.ports.records.traffic_records import (
    COLUMNS,
    TrafficPage,
    TrafficQuery,
    TrafficRecord,
    TrafficRecords,
)

_log = logging.getLogger(__name__)

_SCHEMA: Final = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS traffic (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    endpoint TEXT NOT NULL,
    code INTEGER NOT NULL,
    total REAL NOT NULL,
    deployment TEXT NOT NULL,
    caller TEXT NOT NULL,
    request TEXT NOT NULL,
    client TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    reason TEXT NOT NULL,
    model INTEGER,
    model_reason TEXT NOT NULL,
    asked INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    agent TEXT NOT NULL,
    before REAL NOT NULL,
    passing REAL NOT NULL
)
"""
_NAMES: Final = {
    "TimeGenerated": "at",
    "Method": "method",
    "Path": "path",
    "EndpointName": "endpoint",
    "DeploymentName": "deployment",
    "ResponseCode": "code",
    "ResponseCodeReason": "reason",
    "ModelStatusCode": "model",
    "ModelStatusReason": "model_reason",
    "RequestPayloadSize": "asked",
    "ResponsePayloadSize": "answered",
    "UserAgent": "agent",
    "XRequestId": "request",
    "XMSClientRequestId": "client",
    "TotalDurationMs": "total",
    "RequestDurationMs": "before",
    "ResponseDurationMs": "passing",
    "Caller": "caller",
}
_INSERT: Final = (
    f"INSERT INTO traffic ({', '.join(_NAMES[each] for each in COLUMNS)})"
    f" VALUES ({', '.join('?' * len(COLUMNS))})"
)
_LOOKED: Final = 5_000
"""Records between two looks at what is too old or too much."""
_LEAVES: Final = 0.1
"""The part of the records that goes where they are too much."""
_MAPPED: Final = 2**30


class SqliteTrafficRecords(TrafficRecords):
    """In `path`, for `keep` and as long as they take less than about `max_bytes`. `put` is for one
    thread; `now` gives Unix seconds."""

    def __init__(
        self, path: Path, *, keep: timedelta, max_bytes: int, now: Callable[[], float]
    ) -> None:
        self._path = path
        self._keep = keep
        self._max_bytes = max_bytes
        self._now = now
        self._writer: sqlite3.Connection | None = None
        self._opening = threading.Lock()
        self._since_look = _LOOKED

    def put(self, records: Sequence[TrafficRecord]) -> None:
        """Raises sqlite3.Error."""
        writer = self._writer or self._open()
        with writer:
            writer.executemany(_INSERT, [_row(each) for each in records])
        self._since_look += len(records)
        if self._since_look >= _LOOKED:
            self._since_look = 0
            self._forget(writer)

    def close(self) -> None:
        """By the thread that puts."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    async def query(
        self, asked: TrafficQuery, *, page_size: int, continuation: str | None = None
    ) -> TrafficPage:
        before = _place(continuation)
        try:
            rows = await asyncio.to_thread(self._read, asked, before, page_size + 1)
        except sqlite3.Error as error:
            raise Unavailable(f"The records of requests can't be read: {error}.") from error
        page = rows[:page_size]
        more = len(rows) > page_size
        return TrafficPage([_record(row) for row in page], str(page[-1][0]) if more else None)

    def _read(self, asked: TrafficQuery, before: int | None, most: int) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        where, values = _where(asked, before)
        columns = ", ".join(_NAMES[each] for each in COLUMNS)
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as reader:
            reader.execute(f"PRAGMA mmap_size = {_MAPPED}")
            found = reader.execute(
                f"SELECT id, {columns} FROM traffic WHERE {where} ORDER BY id DESC LIMIT ?",
                (*values, most),
            )
            return found.fetchall()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        writer = sqlite3.connect(self._path, check_same_thread=False)
        writer.executescript(_SCHEMA)
        self._writer = writer
        return writer

    def _forget(self, writer: sqlite3.Connection) -> None:
        old = self._now() - self._keep.total_seconds()
        with writer:
            # The oldest come first, so that what is not too old ends the look.
            writer.execute(
                "DELETE FROM traffic WHERE id < coalesce("
                "(SELECT id FROM traffic WHERE at >= ? ORDER BY id LIMIT 1),"
                " (SELECT max(id) + 1 FROM traffic))",
                (old,),
            )
            if self._size(writer) > self._max_bytes:
                first, last = writer.execute("SELECT min(id), max(id) FROM traffic").fetchone()
                if first is not None:
                    end = first + max(1, int((last - first) * _LEAVES))
                    writer.execute("DELETE FROM traffic WHERE id < ?", (end,))
        writer.execute("PRAGMA incremental_vacuum").fetchall()

    @staticmethod
    def _size(writer: sqlite3.Connection) -> int:
        said = [
            writer.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        ]
        return int((said[0] - said[1]) * said[2])


def _where(asked: TrafficQuery, before: int | None) -> tuple[str, list[Any]]:
    terms, values = ["endpoint = ? COLLATE NOCASE"], list[Any]([asked.endpoint])
    given = (
        ("deployment = ? COLLATE NOCASE", asked.deployment),
        ("caller = ?", asked.caller),
        ("request = ?", asked.request_id),
        ("total >= ?", asked.least_ms),
        ("at >= ?", asked.since),
        ("at < ?", asked.until),
        ("id < ?", before),
    )
    for term, value in given:
        if value is not None:
            terms.append(term)
            values.append(value)
    if asked.statuses:
        terms.append(f"({' OR '.join(['code BETWEEN ? AND ?'] * len(asked.statuses))})")
        values += [each for pair in asked.statuses for each in pair]
    return " AND ".join(terms), values


def _row(record: TrafficRecord) -> tuple[Any, ...]:
    at = datetime.fromisoformat(record["TimeGenerated"]).timestamp()
    return (at, *(_text(record[name]) for name in COLUMNS[1:]))


def _text(value: Any) -> Any:
    """Half a surrogate pair, which UTF-8 has no bytes for, as an escape."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _record(row: tuple[Any, ...]) -> TrafficRecord:
    found = dict(zip(COLUMNS, row[1:], strict=True))
    time = datetime.fromtimestamp(found["TimeGenerated"], UTC)
    found["TimeGenerated"] = time.isoformat(timespec="milliseconds")
    return found


def _place(continuation: str | None) -> int | None:
    if continuation is None:
        return None
    if not (continuation.isascii() and continuation.isdigit() and len(continuation) < 19):
        raise Invalid("The $skipToken is none of this list's.", target="$skipToken")
    return int(continuation)
