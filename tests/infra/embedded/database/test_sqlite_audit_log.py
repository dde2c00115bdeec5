"""What of the audit log stays in its file, and for how long."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.ports import AuditQuery, AuditRecord
from domain.ports.audit_log import new_id
from infra.embedded.database.sqlite_audit_log import SqliteAuditLog
from tests.kit.clocks import HeldClock

MOST = 300_000
"""Bytes."""


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def log(tmp_path: Path, clock: HeldClock) -> AsyncIterator[SqliteAuditLog]:
    log = SqliteAuditLog(
        tmp_path / "audit.db", keep=timedelta(days=10), max_bytes=MOST, now=clock.unix
    )
    yield log
    await log.close()


async def keep(log: SqliteAuditLog, clock: HeldClock, count: int) -> list[AuditRecord]:
    kept = []
    for _ in range(count):
        clock.move(1)
        at = clock.now()
        record = AuditRecord(id=new_id(at), at=at, ended_at=at, action="jobs/write", path="p" * 500)
        await log.append(record)
        kept.append(record)
    return kept


async def found(log: SqliteAuditLog) -> list[AuditRecord]:
    return list((await log.query(AuditQuery(), page_size=5000)).records)


async def test_what_is_older_than_the_log_is_kept_goes_as_more_comes(
    log: SqliteAuditLog, clock: HeldClock
) -> None:
    await keep(log, clock, 70)
    clock.move(11 * 86400)
    new = await keep(log, clock, 70)
    assert await found(log) == new[::-1]


async def test_a_file_that_is_full_loses_its_oldest_and_grows_no_more(
    log: SqliteAuditLog, clock: HeldClock, tmp_path: Path
) -> None:
    kept = await keep(log, clock, 1000)
    there = await found(log)
    assert 100 < len(there) < 1000
    assert there == kept[-len(there) :][::-1]
    await log.close()
    assert (tmp_path / "audit.db").stat().st_size < 1.5 * MOST


async def test_the_file_itself_refuses_to_change_what_has_ended(
    log: SqliteAuditLog, clock: HeldClock, tmp_path: Path
) -> None:
    await keep(log, clock, 1)
    await log.close()
    file = sqlite3.connect(tmp_path / "audit.db")
    file.execute("UPDATE records SET caller = 'nobody'")
    assert file.execute("SELECT caller FROM records").fetchall() == [("",)]
    file.close()
