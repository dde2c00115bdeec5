"""Logins and refusals, counted by kind and minute."""

from datetime import timedelta
from typing import cast

import pytest

from domain.audit.login_counts import Login, LoginCounts
from domain.errors import Unavailable
from domain.ports import AuditLog, AuditQuery, AuditRecord
from infra.cloud.documents.document_audit_log import DocumentAuditLog
from tests.kit.clocks import HeldClock
from tests.kit.mischief import Mischief, Mortal
from tests.kit.waiting import PATIENCE
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

REFUSED = Login("read", "", "203.0.113.9", 401, error="AuthenticationFailed")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def log(clock: HeldClock) -> AuditLog:
    return DocumentAuditLog(MemoryResourceStore(clock.unix), clock, keep=timedelta(days=90))


@pytest.fixture
def counts(log: AuditLog, clock: HeldClock) -> LoginCounts:
    return LoginCounts(log, clock, period=PATIENCE, capacity=2)


async def kept(log: AuditLog) -> list[AuditRecord]:
    return list((await log.query(AuditQuery(), page_size=100)).records)


async def test_there_is_a_record_at_once_which_has_its_count_when_the_minute_is_over(
    log: AuditLog, counts: LoginCounts, clock: HeldClock
) -> None:
    counts.count(REFUSED)
    await counts.flush()
    [record] = await kept(log)
    assert (record.count, record.ended_at) == (1, None)
    for _ in range(4):
        clock.move(10)
        counts.count(REFUSED)
        await counts.flush()
    assert (await kept(log))[0].count == 1
    clock.move(20)
    await counts.flush()
    [record] = await kept(log)
    assert (record.count, record.ended_at) == (5, clock.now())
    counts.count(REFUSED)
    await counts.flush()
    assert [each.count for each in await kept(log)] == [1, 5]


async def test_a_host_that_stops_keeps_what_it_counted(
    log: AuditLog, counts: LoginCounts, clock: HeldClock
) -> None:
    for _ in range(3):
        counts.count(REFUSED)
    await counts.close()
    assert [each.count for each in await kept(log)] == [3]


async def test_more_kinds_than_are_told_apart_are_counted_together(
    log: AuditLog, counts: LoginCounts
) -> None:
    for number in range(10):
        counts.count(Login("read", f"x/{number}", f"10.0.0.{number}", 401, caller=str(number)))
    await counts.close()
    found = await kept(log)
    assert sorted(each.count for each in found) == [1, 1, 8]
    [others] = [each for each in found if each.count == 8]
    assert (others.address, others.caller, others.resource) == ("", "", "")


async def test_what_the_log_does_not_take_is_tried_again(log: AuditLog, clock: HeldClock) -> None:
    mischief = Mischief()

    async def fail(name: str, *_: object) -> None:
        raise Unavailable("The log is out.")

    counts = LoginCounts(cast(AuditLog, Mortal(log, mischief)), clock, period=PATIENCE)
    mischief.before = fail
    counts.count(REFUSED)
    await counts.flush()
    clock.move(61)
    counts.count(REFUSED)
    await counts.flush()
    mischief.before = None
    clock.move(61)
    await counts.flush()
    assert [each.count for each in await kept(log)] == [1, 1]
    await counts.close()
