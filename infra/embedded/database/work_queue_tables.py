"""The work queue's tables, and each thing that happens to them as a function of the
connection, inside the caller's transaction.

`visible_at` is when a message may next be received: the end of its delay or of its lock. A
lock is held while `lock` is set and `visible_at` has not come.
"""

import json
import os
import sqlite3
import uuid
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from domain.ground.messages import GIVEN_BACK
from domain.ports import DeadMessage
from infra.embedded.database.work_queue_records import QueueCounts
from infra.rules.queue_consumer import Received

SCHEMA = """
CREATE TABLE messages (
    sequence_number INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    visible_at REAL NOT NULL,
    body BLOB NOT NULL,
    properties TEXT NOT NULL,
    enqueued_at REAL NOT NULL,
    delivery_count INTEGER NOT NULL DEFAULT 0,
    lock TEXT,
    lock_seconds REAL
);
CREATE INDEX messages_by_time ON messages (queue, visible_at, sequence_number);
CREATE INDEX messages_by_lock ON messages (lock) WHERE lock IS NOT NULL;
CREATE TABLE dead_letters (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    sequence_number INTEGER NOT NULL,
    queue TEXT NOT NULL,
    body BLOB NOT NULL,
    properties TEXT NOT NULL,
    enqueued_at REAL NOT NULL,
    delivery_count INTEGER NOT NULL,
    reason TEXT NOT NULL,
    description TEXT NOT NULL,
    dead_lettered_at REAL NOT NULL
);
CREATE INDEX dead_letters_by_queue ON dead_letters (queue, position)
"""

_REASON_CHARACTERS = 4096


def insert(
    connection: sqlite3.Connection, rows: Iterable[tuple[str, float, bytes, str, float]]
) -> None:
    """Rows of (queue, visible_at, body, properties, enqueued_at)."""
    connection.executemany(
        "INSERT INTO messages (queue, visible_at, body, properties, enqueued_at)"
        " VALUES (?, ?, ?, ?, ?)",
        rows,
    )


def take(
    connection: sqlite3.Connection, queue: str, limit: int, now: float, lock_seconds: float
) -> list[Received]:
    """Lock the messages that have been receivable longest."""
    rows = connection.execute(
        "SELECT sequence_number, body, properties, enqueued_at, delivery_count"
        " FROM messages WHERE queue = ? AND visible_at <= ?"
        " ORDER BY visible_at, sequence_number LIMIT ?",
        (queue, now, limit),
    ).fetchall()
    nonce = os.urandom(12).hex()
    until = now + lock_seconds
    connection.executemany(
        "UPDATE messages SET lock = ?, lock_seconds = ?, visible_at = ?,"
        " delivery_count = delivery_count + 1 WHERE sequence_number = ?",
        [(f"{row[0]}-{nonce}", lock_seconds, until, row[0]) for row in rows],
    )
    locked_until = _time(until)
    return [
        Received(
            id=(properties := json.loads(text))["message_id"],
            queue=queue,
            sequence_number=number,
            body=body,
            properties=properties,
            enqueued_at=_time(enqueued_at),
            delivery_count=deliveries + 1,
            lock_token=f"{number}-{nonce}",
            locked_until=locked_until,
        )
        for number, body, text, enqueued_at, deliveries in rows
    ]


def bury_spent(
    connection: sqlite3.Connection, queue: str, limit: int, now: float, deliveries: int, keep: int
) -> int:
    """Dead-letter, of the next `limit` receivable messages, those delivered so often."""
    spent = connection.execute(
        "SELECT sequence_number FROM (SELECT sequence_number, delivery_count FROM messages"
        " WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, sequence_number LIMIT ?)"
        " WHERE delivery_count >= ?",
        (queue, now, limit, deliveries),
    ).fetchall()
    for (number,) in spent:
        bury(
            connection,
            number,
            now,
            "MaxDeliveryCountExceeded",
            f"Delivered {deliveries} times without being completed.",
            keep,
        )
    return len(spent)


def bury(
    connection: sqlite3.Connection,
    number: int,
    now: float,
    reason: str,
    description: str,
    keep: int,
) -> None:
    """Move a message to the dead letters, of which its queue keeps the newest `keep`."""
    connection.execute(
        "INSERT INTO dead_letters (sequence_number, queue, body, properties, enqueued_at,"
        " delivery_count, reason, description, dead_lettered_at)"
        " SELECT sequence_number, queue, body, properties, enqueued_at, delivery_count,"
        " ?, ?, ? FROM messages WHERE sequence_number = ?",
        (_fit(reason), _fit(description), now, number),
    )
    connection.execute(
        "DELETE FROM dead_letters WHERE position IN (SELECT position FROM dead_letters"
        " WHERE queue = (SELECT queue FROM messages WHERE sequence_number = ?)"
        " ORDER BY position DESC LIMIT -1 OFFSET ?)",
        (number, keep),
    )
    connection.execute("DELETE FROM messages WHERE sequence_number = ?", (number,))


def held(connection: sqlite3.Connection, lock: str, now: float) -> tuple[int, str, float] | None:
    """Sequence number, queue and lock duration of the message that `lock` holds."""
    found: tuple[int, str, float] | None = connection.execute(
        "SELECT sequence_number, queue, lock_seconds FROM messages"
        " WHERE lock = ? AND visible_at > ?",
        (lock, now),
    ).fetchone()
    return found


def remove(connection: sqlite3.Connection, lock: str, now: float) -> bool:
    deleted = connection.execute(
        "DELETE FROM messages WHERE lock = ? AND visible_at > ?", (lock, now)
    )
    return deleted.rowcount == 1


def give_back(connection: sqlite3.Connection, number: int, visible_at: float) -> None:
    connection.execute(
        "UPDATE messages SET lock = NULL, visible_at = ? WHERE sequence_number = ?",
        (visible_at, number),
    )


def prolong(connection: sqlite3.Connection, number: int, until: float) -> None:
    connection.execute(
        "UPDATE messages SET visible_at = ? WHERE sequence_number = ?", (until, number)
    )


def release_all(connection: sqlite3.Connection, now: float) -> int:
    return connection.execute(
        "UPDATE messages SET lock = NULL, visible_at = ? WHERE lock IS NOT NULL", (now,)
    ).rowcount


def next_at(connection: sqlite3.Connection, queue: str) -> float | None:
    """When the queue's first message may be received."""
    row = connection.execute("SELECT min(visible_at) FROM messages WHERE queue = ?", (queue,))
    found: float | None = row.fetchone()[0]
    return found


def count(connection: sqlite3.Connection, queue: str, now: float) -> QueueCounts:
    values = {"queue": queue, "now": now}
    active, waiting, locked = connection.execute(
        "SELECT count(*) FILTER (WHERE visible_at <= :now),"
        " count(*) FILTER (WHERE visible_at > :now),"
        " count(*) FILTER (WHERE visible_at > :now AND lock IS NOT NULL)"
        " FROM messages WHERE queue = :queue",
        values,
    ).fetchone()
    (dead,) = connection.execute(
        "SELECT count(*) FROM dead_letters WHERE queue = :queue", values
    ).fetchone()
    return QueueCounts(active, waiting, locked, dead)


def dead_messages(
    connection: sqlite3.Connection, queue: str, after: int, limit: int
) -> list[DeadMessage]:
    rows = connection.execute(
        "SELECT position, queue, body, properties, enqueued_at, delivery_count, reason,"
        " description, dead_lettered_at FROM dead_letters WHERE queue = ? AND position > ?"
        " ORDER BY position LIMIT ?",
        (queue, after, limit),
    )
    return [_dead_message(row) for row in rows]


def unbury(
    connection: sqlite3.Connection, queue: str, positions: Collection[int], now: float
) -> int:
    """Make messages of dead letters again, as if they were sent now."""
    found = 0
    for position in sorted(positions):
        row = connection.execute(
            "SELECT body, properties FROM dead_letters WHERE queue = ? AND position = ?",
            (queue, position),
        ).fetchone()
        if row is None:
            continue
        kept = {k: v for k, v in json.loads(row[1]).items() if k != GIVEN_BACK}
        properties = json.dumps({**kept, "message_id": uuid.uuid4().hex})
        insert(connection, [(queue, now, row[0], properties, now)])
        found += discard(connection, queue, [position])
    return found


def discard(connection: sqlite3.Connection, queue: str, positions: Collection[int]) -> int:
    return sum(
        connection.execute(
            "DELETE FROM dead_letters WHERE queue = ? AND position = ?", (queue, position)
        ).rowcount
        for position in positions
    )


def _dead_message(row: tuple[Any, ...]) -> DeadMessage:
    position, queue, body, text, enqueued_at, deliveries, reason, description, at = row
    properties = json.loads(text)
    return DeadMessage(
        number=position,
        id=properties.pop("message_id"),
        queue=queue,
        body=body,
        properties=properties,
        enqueued_at=_time(enqueued_at),
        delivery_count=deliveries,
        reason=reason,
        description=description,
        dead_lettered_at=_time(at),
    )


def _fit(text: str) -> str:
    """Text from anywhere, made fit to be kept."""
    return text[:_REASON_CHARACTERS].encode(errors="replace").decode()


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
