"""Which blobs a blob-triggered function has had, durably."""

import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.ground.grouping import Grouped
from infra.embedded.arrivals.folder_watch import Signature
from infra.embedded.database.sqlite import Database

_SCHEMA = """
CREATE TABLE receipts (
    function TEXT NOT NULL,
    container TEXT NOT NULL,
    name TEXT NOT NULL,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    written_at REAL NOT NULL,
    PRIMARY KEY (function, container, name)
) WITHOUT ROWID
"""
_ASKED_AT_ONCE = 500

_Row = tuple[str, str, str, str, int, int, int, int, int, float]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The last thing known of a name: of which content (`etag`) it was tried how often, and
    whether that is settled (handled, or given up)."""

    etag: str
    signature: Signature
    tries: int
    settled: bool


class Receipts:
    """The receipts of one function on one container. A file that vanished keeps its receipt
    for `keep` seconds, so that one moved away and back is not handled twice."""

    def __init__(
        self,
        database: Database,
        function: str,
        container: str,
        *,
        keep: float = 30 * 86400.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._key = (function, container)
        self._keep = keep
        self._now = now
        self._write = Grouped(self._write_together, _ASKED_AT_ONCE)

    async def settled(self) -> dict[str, Signature]:
        """Every settled name and what it looked like."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT name, size, modified, inode FROM receipts"
                " WHERE function = ? AND container = ? AND settled = 1",
                self._key,
            ).fetchall()
        )
        return {name: Signature(*signature) for name, *signature in rows}

    async def of(self, names: Sequence[str]) -> Mapping[str, Receipt]:
        """The receipts that there are for these names."""
        found: dict[str, Receipt] = {}
        for start in range(0, len(names), _ASKED_AT_ONCE):
            some = names[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(some))
            query = (
                "SELECT name, etag, size, modified, inode, tries, settled FROM receipts"
                f" WHERE function = ? AND container = ? AND name IN ({marks})"
            )
            parameters = (*self._key, *some)

            def ask(
                connection: sqlite3.Connection,
                query: str = query,
                parameters: tuple[str, ...] = parameters,
            ) -> list[tuple[str, str, int, int, int, int, int]]:
                return connection.execute(query, parameters).fetchall()

            rows = await self._database.read(ask)
            for name, etag, size, modified, inode, tries, settled in rows:
                signature = Signature(size, modified, inode)
                found[name] = Receipt(etag, signature, tries, bool(settled))
        return found

    async def write(self, name: str, receipt: Receipt) -> None:
        """Durable when it returns."""
        signature = receipt.signature
        row = (
            *self._key,
            name,
            receipt.etag,
            signature.size,
            signature.modified,
            signature.inode,
            receipt.tries,
            int(receipt.settled),
            self._now(),
        )
        await self._write(row)

    async def _write_together(self, rows: Sequence[_Row]) -> Sequence[None]:
        await self._database.write(
            lambda connection: (
                connection.executemany(
                    "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                ).rowcount
            )
        )
        return [None] * len(rows)

    async def prune(self, is_there: Callable[[str], Awaitable[bool]]) -> None:
        """Drop old receipts of blobs that are not there any more."""
        before = self._now() - self._keep
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT name FROM receipts WHERE function = ? AND container = ? AND written_at < ?",
                (*self._key, before),
            ).fetchall()
        )
        gone = [(*self._key, name) for (name,) in rows if not await is_there(name)]
        if gone:
            await self._database.write(
                lambda connection: (
                    connection.executemany(
                        "DELETE FROM receipts WHERE function = ? AND container = ? AND name = ?",
                        gone,
                    ).rowcount
                )
            )


def receipts_database(path: Path) -> Database:
    """The file that every function's receipts share."""
    return Database(path, _SCHEMA)
