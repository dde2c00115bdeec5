"""For scripts: what is collected of one request has one id."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from ...server.printing import request_at_hand

__all__ = ["BasicCorrelationContext", "CorrelationContext", "get_context"]


class CorrelationContext:
    """For annotations."""

    def get_id(self) -> str:
        return ""

    def __str__(self) -> str:
        return self.get_id()

    __repr__ = __str__


class BasicCorrelationContext(CorrelationContext):
    """`id` is that of the request at hand, `timestamp` now, in seconds."""

    def __init__(
        self,
        id: str | None = None,
        timestamp: float | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> None:
        self.id = id or request_at_hand() or str(uuid.uuid4())
        self.timestamp = timestamp or int(time.time())
        self.headers = dict(headers or {})

    def get_id(self) -> str:
        return self.id

    def get_timestamp(self) -> float:
        return self.timestamp

    def get_headers(self) -> dict[str, Any]:
        return self.headers


def get_context() -> CorrelationContext:
    return BasicCorrelationContext()
