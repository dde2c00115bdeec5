"""A line of a collection, in the shape that Azure ML gives it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.collecting.collected_record import (
    INLINE,
    CollectedRecord,
    Line,
    rendered,
    rolled,
    sampled,
)
from domain.collecting.redacting import Redactor
from domain.online.monitoring.data_collector import RollingRate

NOON = datetime(2024, 3, 5, 12, 7, 9, 250_000, UTC)
URL = "https://blobs.example/id"


def line(data: bytes, content_type: str = "application/json", **attributes: str) -> Line:
    record = CollectedRecord("id", NOON, "request-1", content_type, data, attributes)
    return rendered(record, "/subscriptions/s", "request", Redactor(None), URL)


def event(data: bytes, content_type: str = "application/json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line(data, content_type).text)
    return found


def test_a_record_is_a_cloud_event_with_azures_attributes() -> None:
    text, beside = line(b'[{"x": 1}]', path="/score", method="POST")
    assert text.endswith(b"}\n")
    assert text.count(b"\n") == 1
    assert beside is None
    assert json.loads(text) == {
        "specversion": "1.0",
        "id": "id",
        "source": "/subscriptions/s",
        "type": "azureml.inference.request",
        "datacontenttype": "application/json",
        "time": "2024-03-05T12:07:09.250Z",
        "data": [{"x": 1}],
        "path": "/score",
        "method": "POST",
        "contentrange": "bytes 0-9/10",
        "correlationid": "request-1",
        "xrequestid": "request-1",
    }


@pytest.mark.parametrize("data", ["{no json", "[NaN]", "[" * 100_000])
def test_what_only_calls_itself_json_is_text(data: str) -> None:
    assert event(data.encode())["data"] == data


def test_a_line_break_in_text_breaks_no_line() -> None:
    assert line(b"a\nb", "text/plain").text.count(b"\n") == 1
    assert event(b"a\nb", "text/plain")["data"] == "a\nb"


@pytest.mark.parametrize("data", [b"\x89PNG\xff", b"[" + b" " * INLINE + b"]"])
def test_what_is_no_text_or_large_lies_in_a_blob_of_its_own(data: bytes) -> None:
    text, beside = line(data)
    found = json.loads(text)
    assert beside == data
    assert (found["dataref"], found["datainblob"], "data" in found) == (URL, "true", False)
    assert found["contentrange"] == f"bytes 0-{len(data) - 1}/{len(data)}"


def test_folders_roll_by_the_time_of_the_record() -> None:
    found = [rolled(NOON, rate) for rate in RollingRate]
    assert found == ["2024", "2024/03", "2024/03/05", "2024/03/05/12", "2024/03/05/12/07"]


def test_a_share_of_requests_is_sampled_and_the_same_for_every_collection() -> None:
    ids = [f"request-{number}" for number in range(10_000)]
    kept = [id for id in ids if sampled(id, 0.25)]
    assert 2_200 < len(kept) < 2_800
    assert kept == [id for id in ids if sampled(id, 0.25)]
    assert set(kept) <= {id for id in ids if sampled(id, 0.5)}
    assert not any(sampled(id, 0) for id in ids)
    assert all(sampled(id, 1) for id in ids)
