"""Scoring requests that were answered, one by one."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

COLUMNS = (
    *("TimeGenerated", "Method", "Path", "EndpointName", "DeploymentName"),
    *("ResponseCode", "ResponseCodeReason", "ModelStatusCode", "ModelStatusReason"),
    *("RequestPayloadSize", "ResponsePayloadSize", "UserAgent", "XRequestId"),
    *("XMSClientRequestId", "TotalDurationMs", "RequestDurationMs", "ResponseDurationMs"),
    "Caller",
)
"""Of AmlOnlineEndpointTrafficLog, and `Caller`, whose credential it was."""

TrafficRecord = dict[str, Any]
"""By COLUMNS; `TimeGenerated` is RFC 3339 in UTC."""


@dataclass(frozen=True)
class TrafficQuery:
    """Which requests of `endpoint`; what is None or empty asks for nothing. `statuses` are ranges,
    ends included, of which one is to hold; times are Unix seconds, the second one excluded."""

    endpoint: str
    deployment: str | None = None
    statuses: tuple[tuple[int, int], ...] = ()
    caller: str | None = None
    request_id: str | None = None
    least_ms: float | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True)
class TrafficPage:
    records: Sequence[TrafficRecord]
    continuation: str | None


class TrafficRecords(Protocol):
    """Kept by age and size, by whoever passes requests on."""

    @abstractmethod
    async def query(
        self, asked: TrafficQuery, *, page_size: int, continuation: str | None = None
    ) -> TrafficPage:
        """Newest first. Raises Invalid for a continuation that is none, Unsupported where none are
        kept, Unavailable."""
