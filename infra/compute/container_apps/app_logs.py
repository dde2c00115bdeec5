"""What apps have printed, and what befell them, as Log Analytics has it for long after they went.

Container Apps writes both, where the environment's logs go to a workspace. The columns are those of
Azure ML's tables AmlOnlineEndpointConsoleLog and AmlOnlineEndpointEventLog.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from domain.errors import Throttled, Unavailable, Unsupported
from infra.telemetry.log_analytics import LogAnalytics, Row, quoted

_log = logging.getLogger(__name__)

_MOST_APPS: Final = 300
"""Of one query."""
_HOLDS: Final = 30.0
_MOST_HELD: Final = 16


class AppLogs(Protocol):
    """`names` are the ids of nodes by the names of their apps. Nothing is raised: what cannot be
    read is left out, and the log says why."""

    async def printed(self, names: Mapping[str, str], *, tail: int) -> Sequence[str]:
        """The last lines, oldest first, as logs of nodes have them."""

    async def events(self, names: Mapping[str, str], *, tail: int) -> Sequence[str]:
        """The last of what befell them, oldest first."""


class NoAppLogs(AppLogs):
    async def printed(self, names: Mapping[str, str], *, tail: int) -> Sequence[str]:
        return ()

    async def events(self, names: Mapping[str, str], *, tail: int) -> Sequence[str]:
        return ()


class AnalyticsAppLogs(AppLogs):
    """What a query has found, or that it failed, holds for half a minute, however many ask."""

    def __init__(self, analytics: LogAnalytics, now: Callable[[], float]) -> None:
        self._analytics = analytics
        self._now = now
        self._found: dict[str, tuple[float, Sequence[Row]]] = {}
        self._turn = asyncio.Lock()

    async def printed(self, names: Mapping[str, str], *, tail: int) -> Sequence[str]:
        columns = "TimeGenerated, InstanceId = ContainerAppName, ContainerName, Message = Log"
        rows = await self._rows("ContainerAppConsoleLogs", columns, names, tail)
        return [f"{_at(row)} {names[row['InstanceId']]} - {row['Message']}" for row in rows]

    async def events(self, names: Mapping[str, str], *, tail: int) -> Sequence[str]:
        columns = "TimeGenerated, InstanceId = ContainerAppName, Name = Reason, Message = Log"
        rows = await self._rows("ContainerAppSystemLogs", columns, names, tail)
        return [
            f"{_at(row)} {names[row['InstanceId']]} {row['Name']}: {row['Message']}" for row in rows
        ]

    async def _rows(
        self, table: str, columns: str, names: Mapping[str, str], tail: int
    ) -> Sequence[Row]:
        if not names or tail < 1:
            return ()
        asked = ", ".join(quoted(name) for name in list(names)[-_MOST_APPS:])
        steps = (
            table,
            f"where ContainerAppName in ({asked})",
            f"project {columns}",
            f"top {tail} by TimeGenerated desc",
        )
        rows = await self._held("\n| ".join(steps))
        return [row for row in reversed(rows) if row["InstanceId"] in names]

    async def _held(self, query: str) -> Sequence[Row]:
        async with self._turn:
            at, rows = self._found.get(query, (float("-inf"), ()))
            if self._now() - at < _HOLDS:
                return rows
            rows = await self._read(query)
            self._found.pop(query, None)
            self._found[query] = self._now(), rows
            while len(self._found) > _MOST_HELD:
                del self._found[next(iter(self._found))]
            return rows

    async def _read(self, query: str) -> Sequence[Row]:
        try:
            return await self._analytics.rows(query)
        except (Throttled, Unavailable, Unsupported) as error:
            _log.warning("What apps that went have printed is not shown: %s", error)
            return ()


def _at(row: Row) -> str:
    at = datetime.fromisoformat(str(row["TimeGenerated"])).astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
