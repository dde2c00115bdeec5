"""The audit log in a SQLite file of its own."""

import base64
import binascii
import json
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from domain import errors
from domain.ports import AuditLog, AuditPage, AuditQuery, AuditRecord
from domain.ports.audit_log import place, subject_of
from infra.embedded.database.sqlite import Database

_SCHEMA = """
CREATE TABLE records (
    id TEXT PRIMARY KEY,
    resource TEXT NOT NULL,
    subject TEXT NOT NULL,
    caller TEXT NOT NULL,
    client TEXT NOT NULL,
    act TEXT NOT NULL,
    status TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX records_by_subject ON records (subject, id);
CREATE INDEX records_by_caller ON records (caller, id);
CREATE TRIGGER records_stay BEFORE UPDATE ON records WHEN NOT OLD.is_open
BEGIN SELECT RAISE(IGNORE); END
"""
_ID = re.compile(r"[0-9]{17}-[0-9a-f]{16}")
_LOOK_AFTER = 64
"""Appends between two looks at the log's age and size."""
_REMOVED_AT_ONCE = 2 * _LOOK_AFTER


class SqliteAuditLog(AuditLog):
    """Records in `path`, for `keep` and up to `max_bytes` of file, of which the oldest go first.
    `now` gives Unix seconds."""

    def __init__(
        self, path: Path, *, keep: timedelta, max_bytes: int, now: Callable[[], float]
    ) -> None:
        self._database = Database(path, _SCHEMA)
        self._keep = keep
        self._max_bytes = max_bytes
        self._now = now
        self._appended = 0

    async def close(self) -> None:
        await self._database.close()

    async def append(self, record: AuditRecord) -> str:
        values = _values(record)
        looks = self._appended % _LOOK_AFTER == 0
        self._appended += 1
        oldest = place(datetime.fromtimestamp(self._now(), UTC) - self._keep)

        def insert(connection: sqlite3.Connection) -> None:
            if looks:
                self._forget(connection, oldest)
            connection.execute(
                "INSERT INTO records (id, resource, subject, caller, client, act, status,"
                " is_open, body) VALUES (:id, :resource, :subject, :caller, :client, :act,"
                " :status, :is_open, :body) ON CONFLICT DO NOTHING",
                values,
            )

        await self._database.write(insert)
        return record.id

    async def complete(self, record: AuditRecord, given: str) -> None:
        values = _values(record)

        def update(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE records SET status = :status, is_open = :is_open, body = :body"
                " WHERE id = :id",
                values,
            )

        await self._database.write(update)

    async def query(
        self, asked: AuditQuery, *, page_size: int, continuation: str | None = None
    ) -> AuditPage:
        conditions, values = _conditions(asked)
        if continuation is not None:
            conditions.append("id < :after")
            values["after"] = _read(continuation)
        values["limit"] = page_size + 1
        statement = (
            f"SELECT body FROM records WHERE {' AND '.join(conditions) or '1'}"
            " ORDER BY id DESC LIMIT :limit"
        )
        rows = await self._database.read(
            lambda connection: connection.execute(statement, values).fetchall()
        )
        records = [AuditRecord.from_document(json.loads(body)) for (body,) in rows]
        if len(records) <= page_size:
            return AuditPage(records)
        return AuditPage(records[:page_size], _written(records[page_size - 1].id))

    def _forget(self, connection: sqlite3.Connection, oldest: str) -> None:
        """A part of what is too old; and while the file is too large, of the oldest. What is
        freed is filled before the file grows."""
        connection.execute(
            "DELETE FROM records WHERE id IN (SELECT id FROM records WHERE id < ? LIMIT ?)",
            (oldest, _REMOVED_AT_ONCE),
        )
        [size] = connection.execute(
            "SELECT (page_count - freelist_count) * page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        ).fetchone()
        if size > self._max_bytes:
            connection.execute(
                "DELETE FROM records WHERE id IN (SELECT id FROM records ORDER BY id LIMIT ?)",
                (_REMOVED_AT_ONCE,),
            )


def _values(record: AuditRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "resource": record.resource.casefold(),
        "subject": record.subject,
        "caller": record.caller,
        "client": record.client,
        "act": record.action,
        "status": record.status.value,
        "is_open": record.ended_at is None,
        "body": json.dumps(record.to_document(), separators=(",", ":")),
    }


def _conditions(asked: AuditQuery) -> tuple[list[str], dict[str, Any]]:
    """SQL for what `AuditQuery.takes` says."""
    resource = (asked.resource or "").casefold().strip("/")
    given = {
        "id >= :since": place(asked.since) if asked.since else None,
        "id < :until": place(asked.until) if asked.until else None,
        "subject = :subject": subject_of(resource) if "/" in resource else None,
        "(resource = :resource OR substr(resource, 1, length(:resource) + 1) = :resource || '/')": (
            resource or None
        ),
        "(caller = :caller OR client = :caller)": asked.caller,
        "act = :act": asked.action,
        "status = :status": asked.status.value if asked.status else None,
    }
    story = [] if asked.with_story else ["act NOT GLOB 'story/*'"]
    told = {condition: value for condition, value in given.items() if value is not None}
    names = {condition: re.findall(r":(\w+)", condition)[0] for condition in told}
    return [*told, *story], {names[condition]: value for condition, value in told.items()}


def _written(id: str) -> str:
    return base64.urlsafe_b64encode(id.encode()).decode()


def _read(continuation: str) -> str:
    """Raises Invalid."""
    try:
        id = base64.b64decode(continuation.encode("ascii"), b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError):
        id = ""
    if not _ID.fullmatch(id):
        raise errors.Invalid("This continuation does not belong to this query.")
    return id
