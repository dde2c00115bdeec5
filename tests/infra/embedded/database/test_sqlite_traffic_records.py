"""Scoring requests one by one: looked for, paged, and kept by age and size."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Invalid
from domain.ports.records.traffic_records import COLUMNS, TrafficQuery
from infra.embedded.database.sqlite_traffic_records import SqliteTrafficRecords

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON.timestamp()


def record(number: int, **told: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "TimeGenerated": (NOON + timedelta(seconds=number)).isoformat(timespec="milliseconds"),
        "Method": "POST",
        "Path": "/score",
        "EndpointName": "iris",
        "DeploymentName": "blue",
        "ResponseCode": 200,
        "ResponseCodeReason": "",
        "ModelStatusCode": 200,
        "ModelStatusReason": "",
        "RequestPayloadSize": 2,
        "ResponsePayloadSize": 3,
        "UserAgent": "a test's",
        "XRequestId": f"r{number}",
        "XMSClientRequestId": "",
        "TotalDurationMs": float(number),
        "RequestDurationMs": 0.5,
        "ResponseDurationMs": 0.0,
        "Caller": "key:primary",
    }
    return {name: {**usual, **told}[name] for name in COLUMNS}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(tmp_path: Path, clock: Clock) -> Iterator[SqliteTrafficRecords]:
    records = SqliteTrafficRecords(
        tmp_path / "traffic.db",
        keep=timedelta(days=1),
        max_bytes=2**20,
        now=lambda: clock.now,
    )
    yield records
    records.close()


async def found(records: SqliteTrafficRecords, **asked: Any) -> list[str]:
    page = await records.query(TrafficQuery("IRIS", **asked), page_size=1000)
    return [each["XRequestId"] for each in page.records]


async def test_a_record_comes_back_as_it_was(records: SqliteTrafficRecords) -> None:
    assert await found(records) == []
    told = record(1, ModelStatusCode=None, ResponseCode=499, UserAgent="é")
    records.put([told])
    page = await records.query(TrafficQuery("iris"), page_size=10)
    assert page.records == [{**told, "TotalDurationMs": 1.0}]
    assert page.continuation is None


async def test_requests_are_looked_for_by_what_they_were(records: SqliteTrafficRecords) -> None:
    records.put(
        [
            record(1),
            record(2, ResponseCode=503, DeploymentName="green"),
            record(3, ResponseCode=429, Caller="client:ci"),
            record(4, EndpointName="digits"),
            record(5, XRequestId="\ud800"),
        ]
    )
    assert await found(records) == ["\\ud800", "r3", "r2", "r1"]
    assert await found(records, statuses=((500, 599), (429, 429))) == ["r3", "r2"]
    assert await found(records, deployment="Green") == ["r2"]
    assert await found(records, caller="client:ci") == ["r3"]
    assert await found(records, least_ms=2.5, until=NOON.timestamp() + 5) == ["r3"]
    assert await found(records, since=NOON.timestamp() + 2, request_id="r2") == ["r2"]


async def test_pages_follow_each_other_while_more_comes(records: SqliteTrafficRecords) -> None:
    records.put([record(number) for number in range(5)])
    first = await records.query(TrafficQuery("iris"), page_size=2)
    records.put([record(9)])
    seen = [*first.records]
    continuation = first.continuation
    while continuation is not None:
        page = await records.query(TrafficQuery("iris"), page_size=2, continuation=continuation)
        seen += page.records
        continuation = page.continuation
    assert [each["XRequestId"] for each in seen] == ["r4", "r3", "r2", "r1", "r0"]
    with pytest.raises(Invalid):
        await records.query(TrafficQuery("iris"), page_size=2, continuation="x")


async def test_what_is_too_old_goes(records: SqliteTrafficRecords, clock: Clock) -> None:
    records.put([record(number) for number in range(3)])
    clock.now += 86400 + 1.5
    records.put([record(90_000, XRequestId="new")] * 5_000)
    assert await found(records, request_id="r1") == []
    assert await found(records, request_id="r2") == ["r2"]


async def test_what_is_too_much_goes_the_oldest_first(
    records: SqliteTrafficRecords, tmp_path: Path
) -> None:
    for first in range(0, 25_000, 5_000):
        records.put([record(number) for number in range(first, first + 5_000)])
    records.close()
    assert (tmp_path / "traffic.db").stat().st_size < 2 * 2**20
    page = await records.query(TrafficQuery("iris"), page_size=1)
    assert page.records[0]["XRequestId"] == "r24999"
    assert await found(records, request_id="r0") == []
