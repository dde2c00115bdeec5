"""The query API over HTTP: strict about what it is asked, and able to fail as the service does."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.servers.log_analytics import kql

WORKSPACE: Final = "0a1b2c3d-0000-4000-8000-00000000000a"
TOKEN: Final = "a-token"
COLUMNS: Final = {
    "AppTraces": ("TimeGenerated", "Message", "SeverityLevel", "OperationId", "Properties"),
    "ContainerAppConsoleLogs": (
        *("TimeGenerated", "ContainerAppName", "ContainerName", "RevisionName", "Stream", "Log"),
    ),
    "ContainerAppSystemLogs": (
        *("TimeGenerated", "ContainerAppName", "ReplicaName", "Reason", "Type", "Log"),
    ),
}
"""Of the published reference of tables: those that the app asks of, and some that it does not."""


@dataclass
class Fault:
    """What the next query is answered with. `partial`: its rows, and an error beside them."""

    status: int = 200
    code: str = "GeneralError"
    message: str = "It did not go well"
    headers: dict[str, str] = field(default_factory=dict)
    partial: bool = False
    body: Any = None


class LogAnalyticsStandIn:
    def __init__(self) -> None:
        self.tables: dict[str, list[kql.Row]] = {name: [] for name in COLUMNS}
        self.queries: list[str] = []
        self.faults: list[Fault] = []
        self.url = ""

    def has(self, table: str, at: datetime, **columns: Any) -> None:
        row = dict.fromkeys(COLUMNS[table])
        self.tables[table].append({**row, "TimeGenerated": at, **columns})

    async def answer(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error(403, "InsufficientAccessError", "The provided credentials have no access")
        if request.path != f"/v1/workspaces/{WORKSPACE}/query":
            return _error(404, "WorkspaceNotFoundError", "The workspace could not be found")
        if not re.fullmatch(r"wait=\d{1,3}", request.headers.get("Prefer", "wait=1")):
            return _error(400, "BadArgumentError", "The Prefer header is none")
        body = await request.json()
        if not isinstance(body, dict) or not body.keys() <= {"query", "timespan", "workspaces"}:
            return _error(400, "BadArgumentError", "The request has properties that are none")
        self.queries.append(body["query"])
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and fault.body is not None:
            return web.json_response(fault.body)
        if fault is not None and not fault.partial:
            return _error(fault.status, fault.code, fault.message, fault.headers)
        try:
            names, rows = kql.run(body["query"], self.tables, COLUMNS)
        except kql.NoQuery as error:
            return _error(
                400,
                "BadArgumentError",
                "The request had some invalid properties",
                inner={"code": error.code, "message": error.message},
            )
        told: dict[str, Any] = {"tables": [_table(names, rows)]}
        if fault is not None:
            told["error"] = {
                "code": "PartialError",
                "message": "There were some errors when processing your query.",
                "details": [{"code": fault.code, "message": fault.message}],
            }
        return web.json_response(told)


@asynccontextmanager
async def standing_in() -> AsyncIterator[LogAnalyticsStandIn]:
    stand_in = LogAnalyticsStandIn()
    app = web.Application()
    app.router.add_post("/{path:.*}", stand_in.answer)
    async with TestServer(app) as server:
        stand_in.url = str(server.make_url("")).rstrip("/")
        yield stand_in


def _table(names: list[str], rows: list[kql.Row]) -> dict[str, Any]:
    return {
        "name": "PrimaryResult",
        "columns": [{"name": name, "type": _type(name, rows)} for name in names],
        "rows": [[_said(row[name]) for name in names] for row in rows],
    }


def _type(name: str, rows: list[kql.Row]) -> str:
    value = rows[0][name] if rows else None
    kinds = {datetime: "datetime", int: "long", float: "real", dict: "dynamic"}
    return kinds.get(type(value), "string")


def _said(value: Any) -> Any:
    """Times have ticks of 100 ns."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}0Z"
    return value


def _error(
    status: int,
    code: str,
    message: str,
    headers: dict[str, str] | None = None,
    inner: dict[str, str] | None = None,
) -> web.Response:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner is not None:
        error["innererror"] = inner
    return web.json_response({"error": error}, status=status, headers=headers)
