"""Scoring requests one by one, as Log Analytics has what telemetry was told of them."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from domain.errors import Invalid
from domain.ports.records.traffic_records import (
    COLUMNS,
    TrafficPage,
    TrafficQuery,
    TrafficRecord,
    TrafficRecords,
)
from infra.telemetry.log_analytics import LogAnalytics, Row, moment, quoted
from infra.telemetry.request_telling import LOGGER, WORKSPACE

_NUMBERS: Final = {
    **dict.fromkeys(("ResponseCode", "ModelStatusCode"), "toint"),
    **dict.fromkeys(("RequestPayloadSize", "ResponsePayloadSize"), "tolong"),
    **dict.fromkeys(("TotalDurationMs", "RequestDurationMs", "ResponseDurationMs"), "toreal"),
}
_KEY: Final = ("TimeGenerated", "XRequestId")
"""By which they are in order, each of its own."""


class AnalyticsTraffic(TrafficRecords):
    """Those of deployments with `appInsightsEnabled`, some minutes late, for as long as the
    workspace keeps them. `workspace_id` is the full ARM id by which they are told from those of
    other installations."""

    def __init__(self, analytics: LogAnalytics, workspace_id: str) -> None:
        self._analytics = analytics
        self._workspace_id = workspace_id

    async def query(
        self, asked: TrafficQuery, *, page_size: int, continuation: str | None = None
    ) -> TrafficPage:
        after = None if continuation is None else _place(continuation)
        query = "\n| ".join(self._steps(asked, after, page_size + 1))
        rows = await self._analytics.rows(query)
        page = rows[:page_size]
        following = _continuation(page[-1]) if len(rows) > page_size else None
        return TrafficPage([_record(row) for row in page], following)

    def _steps(
        self, asked: TrafficQuery, after: tuple[str, str] | None, most: int
    ) -> Iterator[str]:
        yield "AppTraces"
        if asked.since is not None:
            yield f"where TimeGenerated >= {moment(asked.since)}"
        if asked.until is not None:
            yield f"where TimeGenerated < {moment(asked.until)}"
        yield f"where Properties.logger_name == {quoted(LOGGER)}"
        yield f"where Properties.{WORKSPACE} =~ {quoted(self._workspace_id)}"
        yield f"where Properties.EndpointName =~ {quoted(asked.endpoint)}"
        yield "project " + ", ".join(_column(name) for name in COLUMNS)
        yield from _wanted(asked)
        if after is not None:
            time, request = f"datetime({after[0]})", quoted(after[1])
            yield (
                f"where TimeGenerated < {time} or (TimeGenerated == {time}"
                f" and strcmp(XRequestId, {request}) < 0)"
            )
        yield "order by " + ", ".join(f"{name} desc" for name in _KEY)
        yield f"take {most}"


def _wanted(asked: TrafficQuery) -> Iterator[str]:
    if asked.deployment is not None:
        yield f"where DeploymentName =~ {quoted(asked.deployment)}"
    if asked.statuses:
        told = (f"ResponseCode between ({first} .. {last})" for first, last in asked.statuses)
        yield f"where {' or '.join(told)}"
    if asked.caller is not None:
        yield f"where Caller == {quoted(asked.caller)}"
    if asked.request_id is not None:
        yield f"where XRequestId == {quoted(asked.request_id)}"
    if asked.least_ms is not None:
        yield f"where TotalDurationMs >= {asked.least_ms!r}"


def _column(name: str) -> str:
    if name == "TimeGenerated":
        return name
    return f"{name} = {_NUMBERS.get(name, 'tostring')}(Properties.{name})"


def _record(row: Row) -> TrafficRecord:
    found = {name: row.get(name) for name in COLUMNS}
    at = datetime.fromisoformat(str(found["TimeGenerated"])).astimezone(UTC)
    return {**found, "TimeGenerated": at.isoformat(timespec="milliseconds")}


def _continuation(row: Row) -> str:
    said = json.dumps([str(row[name]) for name in _KEY])
    return base64.urlsafe_b64encode(said.encode()).decode()


def _place(continuation: str) -> tuple[str, str]:
    try:
        time, request = json.loads(base64.urlsafe_b64decode(continuation.encode()))
        # What goes into the query as it is: a time and nothing else.
        datetime.fromisoformat(_text(time))
        if not set(time) <= set("0123456789-:.TZ+"):
            raise ValueError
        return time, _text(request)
    except (ValueError, TypeError) as error:
        raise Invalid("The $skipToken is none of this list's.", target="$skipToken") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
