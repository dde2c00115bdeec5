"""The ResourceStore port on one SQLite file."""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from domain import errors
from domain.ports import Delete, Document, Page, Replace, ResourceStore, Write
from infra.embedded.database.sqlite import Database
from infra.rules import due_documents
from infra.rules.continuations import Continuations
from infra.rules.document_rules import (
    MOST_BYTES_IN_PAGE,
    Encoded,
    check_text,
    check_where,
    encoded,
    exists,
    not_found,
    opened,
    page_limit,
    stale,
)

_SCHEMA = """
CREATE TABLE documents (
    partition TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    etag TEXT NOT NULL,
    due_at REAL,
    expires_at REAL
);
CREATE UNIQUE INDEX documents_by_id ON documents (partition, id);
CREATE INDEX documents_by_kind ON documents (kind, partition, id);
CREATE INDEX documents_by_due ON documents (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX documents_by_expiry ON documents (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL);
INSERT INTO secrets VALUES ('continuations', randomblob(32))
"""

_PURGED_AT_ONCE = 50

_COLUMNS = "partition, id, body, etag, due_at"
_Row = tuple[str, str, str, str, float | None]
_ALIVE = "(expires_at IS NULL OR expires_at > :now)"


class SqliteResourceStore(ResourceStore):
    """Documents in `path`. An expired one is gone from every answer at once, and from the
    disk as later writes come. `now` gives Unix seconds."""

    def __init__(
        self, path: Path, *, now: Callable[[], float] = time.time, wait: float = 30.0
    ) -> None:
        self._database = Database(path, _SCHEMA, wait=wait)
        self._now = now
        self._continuations: Continuations | None = None

    async def close(self) -> None:
        await self._database.close()

    async def get(self, partition: str, id: str) -> Document:
        check_text(partition, id)
        now = self._now()

        def find(connection: sqlite3.Connection) -> Document | None:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM documents"
                f" WHERE partition = :partition AND id = :id AND {_ALIVE}",
                {"partition": partition, "id": id, "now": now},
            ).fetchone()
            return _document(row) if row else None

        found = await self._database.read(find)
        if found is None:
            raise not_found(partition, id)
        return found

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        steps = encoded(partition, writes)
        now = self._now()

        def apply(connection: sqlite3.Connection) -> list[Document]:
            _purge(connection, now)
            written = [_apply(connection, partition, step, now) for step in steps]
            return [document for document in written if document is not None]

        return await self._database.write(apply)

    async def query(
        self,
        kind: str,
        *,
        partition: str | None = None,
        where: Mapping[str, str | int | bool] | None = None,
        page_size: int = 100,
        continuation: str | None = None,
        descending: bool = False,
    ) -> Page:
        limit = page_limit(page_size)
        check_text(kind, partition or "")
        conditions, values = _conditions(where or {})
        continuations = await self._signer()
        asked = (kind, partition, sorted((where or {}).items()), descending)
        after = continuations.read(continuation, asked) if continuation is not None else None
        values |= {"kind": kind, "now": self._now(), "limit": limit + 1, "partition": partition}
        if after is not None:
            values |= {"after_partition": after[0], "after_id": after[1]}
        statement = page_statement(
            conditions,
            in_partition=partition is not None,
            follows=after is not None,
            descending=descending,
        )

        def page(connection: sqlite3.Connection) -> tuple[list[Document], bool]:
            documents: list[Document] = []
            size = 0
            for row in connection.execute(statement, values):
                size += len(row[2])
                if len(documents) == limit or (documents and size > MOST_BYTES_IN_PAGE):
                    return documents, True
                documents.append(_document(row))
            return documents, False

        documents, more = await self._database.read(page)
        if not more:
            return Page(documents)
        last = documents[-1]
        return Page(documents, continuations.write((last.partition, last.id), asked))

    async def due(self, before: float, *, limit: int = 100) -> Sequence[Document]:
        values = {"before": before, "now": self._now()}

        async def earliest(count: int) -> list[_Row]:
            def find(connection: sqlite3.Connection) -> list[_Row]:
                return connection.execute(
                    f"SELECT {_COLUMNS} FROM documents"
                    f" WHERE due_at <= :before AND {_ALIVE} ORDER BY due_at LIMIT :count",
                    {**values, "count": count},
                ).fetchall()

            return await self._database.read(find)

        return await due_documents.understood(earliest, _document, limit)

    async def _signer(self) -> Continuations:
        if self._continuations is None:
            key = await self._database.read(
                lambda connection: connection.execute(
                    "SELECT value FROM secrets WHERE name = 'continuations'"
                ).fetchone()[0]
            )
            self._continuations = Continuations(key)
        return self._continuations


def page_statement(
    conditions: Sequence[str], *, in_partition: bool, follows: bool, descending: bool
) -> str:
    """A page of one kind's documents, in order; `follows`: those after `after_partition` and
    `after_id`. A walk along one index from where the page begins, and never a sort."""
    comparison = "<" if descending else ">"
    where = [*conditions, "kind = :kind", _ALIVE]
    if in_partition:
        where.append("partition = :partition")
    if follows and in_partition:
        # With the partition in the comparison as well, SQLite would walk through all pages
        # before this one, and sort.
        where.append(f"id {comparison} :after_id")
    elif follows:
        where.append(f"(partition, id) {comparison} (:after_partition, :after_id)")
    order = "DESC" if descending else "ASC"
    return (
        f"SELECT {_COLUMNS} FROM documents INDEXED BY documents_by_kind"
        f" WHERE {' AND '.join(where)}"
        f" ORDER BY partition {order}, id {order} LIMIT :limit"
    )


def _apply(
    connection: sqlite3.Connection, partition: str, step: Encoded | Delete, now: float
) -> Document | None:
    if isinstance(step, Encoded):
        return _save(connection, partition, step, now)
    values: dict[str, Any] = {"partition": partition, "id": step.id, "now": now}
    matching = _matching(step.etag, values)
    if not connection.execute(f"DELETE FROM documents WHERE {matching}", values).rowcount:
        raise _missed(connection, partition, step.id, values)
    return None


def _save(connection: sqlite3.Connection, partition: str, step: Encoded, now: float) -> Document:
    write, body = step.write, step.body
    values: dict[str, Any] = {"partition": partition, "id": write.id, "now": now}
    etag = os.urandom(12).hex()
    values |= {
        "kind": write.body["kind"],
        "body": body,
        "new_etag": etag,
        "due_at": write.due_at,
        "expires_at": None if write.ttl is None else now + write.ttl,
    }
    if isinstance(write, Replace):
        matching = _matching(write.etag, values)
        done = connection.execute(
            "UPDATE documents SET kind = :kind, body = :body, etag = :new_etag,"
            f" due_at = :due_at, expires_at = :expires_at WHERE {matching}",
            values,
        ).rowcount
        if not done:
            raise _missed(connection, partition, write.id, values)
    else:
        done = connection.execute(
            "INSERT INTO documents (partition, id, kind, body, etag, due_at, expires_at)"
            " VALUES (:partition, :id, :kind, :body, :new_etag, :due_at, :expires_at)"
            " ON CONFLICT (partition, id) DO UPDATE SET kind = :kind, body = :body,"
            " etag = :new_etag, due_at = :due_at, expires_at = :expires_at"
            " WHERE expires_at <= :now",
            values,
        ).rowcount
        if not done:
            raise exists(partition, write.id)
    body_written = opened(partition, write.id, json.loads(body))
    return Document(partition, write.id, body_written, etag, write.due_at)


def _matching(etag: str | None, values: dict[str, Any]) -> str:
    condition = f"partition = :partition AND id = :id AND {_ALIVE}"
    if etag is None:
        return condition
    values["etag"] = etag
    return f"{condition} AND etag = :etag"


def _missed(
    connection: sqlite3.Connection, partition: str, id: str, values: Mapping[str, Any]
) -> errors.DomainError:
    """Why a Replace or Delete met nothing."""
    found = connection.execute(
        f"SELECT 1 FROM documents WHERE partition = :partition AND id = :id AND {_ALIVE}", values
    ).fetchone()
    if found is None:
        return not_found(partition, id)
    return stale(partition, id)


def _purge(connection: sqlite3.Connection, now: float) -> None:
    connection.execute(
        "DELETE FROM documents WHERE rowid IN"
        " (SELECT rowid FROM documents WHERE expires_at <= ? LIMIT ?)",
        (now, _PURGED_AT_ONCE),
    )


def _conditions(where: Mapping[str, str | int | bool]) -> tuple[list[str], dict[str, Any]]:
    """SQL for `where`. JSON keeps true, 1 and "1" apart, and so does this."""
    check_where(where)
    conditions, values = [], {}
    for number, (field, wanted) in enumerate(where.items()):
        path = f"'$.{field}'"
        if isinstance(wanted, bool):
            conditions.append(f"json_type(body, {path}) = '{str(wanted).lower()}'")
            continue
        types = "'text'" if isinstance(wanted, str) else "'integer', 'real'"
        conditions.append(f"json_type(body, {path}) IN ({types})")
        conditions.append(f"json_extract(body, {path}) = :where_{number}")
        values[f"where_{number}"] = wanted
    return conditions, values


def _document(row: _Row) -> Document:
    partition, id, body, etag, due_at = row
    return Document(partition, id, opened(partition, id, json.loads(body)), etag, due_at)
