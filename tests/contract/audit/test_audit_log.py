"""The contract of domain.ports.AuditLog."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Invalid
from domain.ports import AuditLog, AuditQuery, AuditRecord, AuditStatus, ResourceStore
from domain.ports.audit_log import new_id
from infra.cloud.documents.document_audit_log import DocumentAuditLog
from infra.embedded.database.sqlite_audit_log import SqliteAuditLog
from tests.kit.clocks import HeldClock

KEEP = timedelta(days=90)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def embedded_log(tmp_path: Path, clock: HeldClock) -> AsyncIterator[AuditLog]:
    log = SqliteAuditLog(tmp_path / "audit.db", keep=KEEP, max_bytes=2**20, now=clock.unix)
    yield log
    await log.close()


@pytest.fixture
def memory_log(memory_store: ResourceStore, clock: HeldClock) -> AuditLog:
    return DocumentAuditLog(memory_store, clock, keep=KEEP)


@pytest.fixture
def cloud_log(cloud_store: ResourceStore, clock: HeldClock) -> AuditLog:
    return DocumentAuditLog(cloud_store, clock, keep=KEEP)


@pytest.fixture
def log(family: str, request: pytest.FixtureRequest) -> AuditLog:
    """The embedded family's own; the cloud's on documents, of a store in memory too."""
    adapter: AuditLog = request.getfixturevalue(f"{family}_log")
    return adapter


class Acts:
    """Keeps records of acts, a second apart."""

    def __init__(self, log: AuditLog, clock: HeldClock) -> None:
        self._log = log
        self._clock = clock

    def record(self, **fields: Any) -> AuditRecord:
        at = self._clock.now()
        self._clock.move(1)
        told = {"action": "onlineEndpoints/write", "caller": "me", "status": "Succeeded"}
        return AuditRecord.model_validate(
            {"id": new_id(at), "at": at, "ended_at": at, **told, **fields}
        )

    async def kept(self, **fields: Any) -> AuditRecord:
        record = self.record(**fields)
        await self._log.append(record)
        return record


@pytest.fixture
def acts(log: AuditLog, clock: HeldClock) -> Acts:
    return Acts(log, clock)


async def test_what_became_of_things_is_there_for_who_asks_for_it(
    log: AuditLog, acts: Acts
) -> None:
    act = await acts.kept(resource="onlineEndpoints/iris")
    told = await acts.kept(
        resource="onlineEndpoints/iris/deployments/blue", action="story/instance_died", text="Died"
    )
    assert await found(log, resource="onlineEndpoints/iris") == [act]
    assert await found(log) == [act]
    assert await found(log, with_story=True) == [told, act]
    assert await found(log, action="story/instance_died", with_story=True) == [told]


async def found(log: AuditLog, **asked: Any) -> list[AuditRecord]:
    page = await log.query(AuditQuery(**asked), page_size=100)
    assert page.continuation is None
    return list(page.records)


async def test_what_is_kept_is_found_whole_and_newest_first(log: AuditLog, acts: Acts) -> None:
    first = await acts.kept(
        client="deploys",
        roles=("contributor",),
        address="203.0.113.9",
        resource="onlineEndpoints/Iris",
        method="PUT",
        path="/subscriptions/…/onlineEndpoints/Iris",
        code=201,
        operation="onlineEndpoints:iris:1",
        correlation_id="0af7",
        client_request_id="mine",
        user_agent="curl/8",
    )
    second = await acts.kept(status="Failed", code=409, error="Conflict")
    assert await found(log) == [second, first]


async def test_an_open_record_is_completed_and_then_stays(log: AuditLog, acts: Acts) -> None:
    begun = acts.record(status="Started", ended_at=None)
    given = await log.append(begun)
    assert await found(log, status=AuditStatus.STARTED) == [begun]
    ended = begun.but(status=AuditStatus.FAILED, code=409, ended_at=begun.at)
    await log.complete(ended, given)
    assert await found(log) == [ended]
    await log.complete(ended.but(status=AuditStatus.SUCCEEDED), given)
    assert await found(log) == [ended]


async def test_the_same_record_is_kept_once(log: AuditLog, acts: Acts) -> None:
    record = acts.record()
    await log.append(record)
    await log.append(record)
    assert await found(log) == [record]


async def test_what_is_not_there_is_not_completed(log: AuditLog, acts: Acts) -> None:
    kept = await acts.kept()
    await log.complete(acts.record(), kept.id)
    assert await found(log) == [kept]


async def test_records_are_found_by_resource_and_what_is_below_it(
    log: AuditLog, acts: Acts
) -> None:
    iris = await acts.kept(resource="onlineEndpoints/iris")
    blue = await acts.kept(resource="onlineEndpoints/Iris/deployments/blue")
    other = await acts.kept(resource="onlineEndpoints/iris2")
    await acts.kept(resource="")
    assert await found(log, resource="onlineEndpoints/IRIS") == [blue, iris]
    assert await found(log, resource="onlineEndpoints/iris/deployments/blue") == [blue]
    assert await found(log, resource="onlineEndpoints") == [other, blue, iris]


async def test_records_are_found_by_caller_action_status_and_time(
    log: AuditLog, acts: Acts
) -> None:
    first = await acts.kept(caller="1", client="ci")
    second = await acts.kept(caller="2", action="jobs/write", status="Failed")
    third = await acts.kept(caller="1", action="jobs/write")
    assert await found(log, caller="1") == [third, first]
    assert await found(log, caller="ci") == [first]
    assert await found(log, action="jobs/write") == [third, second]
    assert await found(log, action="jobs/write", status=AuditStatus.FAILED) == [second]
    assert await found(log, since=second.at) == [third, second]
    assert await found(log, until=second.at) == [first]
    assert await found(log, since=second.at, until=third.at, caller="2") == [second]


@pytest.mark.parametrize("caller", [None, "1"])
async def test_pages_have_each_record_once_over_months_while_more_come(
    log: AuditLog, acts: Acts, clock: HeldClock, caller: str | None
) -> None:
    kept = []
    for number in range(23):
        kept.append(await acts.kept(caller=str(number % 2)))
        clock.move(4 * 86400)
    # Past what is kept nothing is promised: 90 days.
    [*_, oldest] = [record for record in reversed(kept) if record.at > clock.now() - KEEP]
    asked = AuditQuery(since=oldest.at, caller=caller)
    seen: list[AuditRecord] = []
    continuation = None
    while True:
        page = await log.query(asked, page_size=2, continuation=continuation)
        assert len(page.records) <= 2
        seen += page.records
        continuation = page.continuation
        if continuation is None:
            break
        clock.move(1)
        await acts.kept(caller="1")
    assert seen == [each for each in reversed(kept) if asked.takes(each)]


@pytest.mark.parametrize("continuation", ["", "x", "ü", "WzEsMiwzXQ==", "a" * 5000])
async def test_a_continuation_that_is_none_is_refused(log: AuditLog, continuation: str) -> None:
    with pytest.raises(Invalid):
        await log.query(AuditQuery(), page_size=1, continuation=continuation)
