"""The log of scoring requests: Azure Monitor's columns, a bounded file, no request held up."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from infra.embedded.database.sqlite_traffic_records import SqliteTrafficRecords
from infra.embedded.host.traffic_log import FILE, TrafficLog
from tests.infra.telemetry.test_request_metrics import FAILED, RECORD
from tests.kit.waiting import eventually

COLUMNS = """
TimeGenerated Method Path SubscriptionId AzureMLWorkspaceId AzureMLWorkspaceName EndpointName
DeploymentName Protocol ResponseCode ResponseCodeReason ModelStatusCode ModelStatusReason
RequestPayloadSize ResponsePayloadSize UserAgent XRequestId XMSClientRequestId TotalDurationMs
RequestDurationMs ResponseDurationMs RequestThrottlingDelayMs ResponseThrottlingDelayMs
Caller
"""


@pytest.fixture
def logs() -> Iterator[list[TrafficLog]]:
    opened: list[TrafficLog] = []
    yield opened
    for log in opened:
        log.close()


def _log(folder: Path, logs: list[TrafficLog], **limits: int) -> TrafficLog:
    kept = SqliteTrafficRecords(
        folder / "traffic.db", keep=timedelta(days=1), max_bytes=2**30, now=time.time
    )
    log = TrafficLog(folder / "logs", "sub", "ws", "/subscriptions/sub/ws", keep=kept, **limits)
    logs.append(log)
    return log


def _lines(folder: Path) -> list[str]:
    file = folder / "logs" / FILE
    return file.read_text().splitlines() if file.exists() else []


def test_a_line_has_the_columns_of_the_traffic_log_table(
    tmp_path: Path, logs: list[TrafficLog]
) -> None:
    log = _log(tmp_path, logs)
    log.start()
    log.record(RECORD)
    log.record(replace(FAILED, user_agent='a"b\n{"Method": "GET"}'))
    log.close()
    lines = _lines(tmp_path)
    first, second = map(json.loads, lines)
    assert list(first) == COLUMNS.split()
    assert (first["EndpointName"], first["DeploymentName"]) == ("iris", "blue")
    assert (first["ResponseCode"], first["TotalDurationMs"]) == (200, 7.5)
    assert first["RequestDurationMs"] == 2.5
    assert first["AzureMLWorkspaceName"] == "ws"
    assert first["Caller"] == "key:primary"
    assert (second["ResponseCode"], second["ModelStatusCode"]) == (424, 500)
    assert second["ModelStatusReason"] == "model_error"
    assert second["UserAgent"] == 'a"b\n{"Method": "GET"}'


async def test_text_that_utf_8_cannot_hold_is_logged_escaped_and_so_are_the_lines_after_it(
    tmp_path: Path, logs: list[TrafficLog]
) -> None:
    log = _log(tmp_path, logs)
    log.start()
    log.record(replace(RECORD, user_agent="half \ud800 pair"))
    log.record(RECORD)
    await eventually(lambda: len(_lines(tmp_path)) == 2)
    log.record(FAILED)
    log.close()
    torn, *whole = map(json.loads, _lines(tmp_path))
    assert torn["UserAgent"] == "half \ud800 pair"
    assert list(torn) == COLUMNS.split()
    assert [line["ResponseCode"] for line in whole] == [RECORD.code, FAILED.code]


def test_the_files_stay_bounded(tmp_path: Path, logs: list[TrafficLog]) -> None:
    for _ in range(20):
        log = _log(tmp_path, logs, file_bytes=2000)
        log.start()
        for _ in range(5):
            log.record(RECORD)
        log.close()
    files = sorted(file.name for file in (tmp_path / "logs").iterdir())
    assert files == [FILE, *(f"{FILE}.{number}" for number in range(1, 5))]
    assert sum(file.stat().st_size for file in (tmp_path / "logs").iterdir()) < 5 * 6000


def test_lines_that_nobody_writes_are_dropped_and_counted(
    tmp_path: Path, logs: list[TrafficLog], caplog: pytest.LogCaptureFixture
) -> None:
    log = _log(tmp_path, logs, waiting=3)
    for _ in range(10):
        log.record(RECORD)
    assert log.dropped == 7
    log.start()
    log.close()
    assert len((tmp_path / "logs" / FILE).read_text().splitlines()) == 3
    assert "7 lines of the traffic log were dropped" in caplog.text


def test_a_file_that_cannot_be_written_is_told_once(
    tmp_path: Path, logs: list[TrafficLog], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs" / FILE).mkdir(parents=True)
    log = _log(tmp_path, logs)
    log.start()
    log.record(RECORD)
    log.close()
    assert caplog.text.count("the traffic log cannot be written") == 1
