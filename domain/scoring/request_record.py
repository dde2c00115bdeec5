"""What is kept of a finished scoring request."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class RequestRecord:
    """One request, told once, when it is over: for telemetry and the traffic log. Times are
    in seconds, sizes in bytes of body.

    `code` is what the caller was answered (499: it went away first) and `reason` the
    refusal's code, '' for none; `model_status` and `model_reason` are the container's own,
    None and '' when none was asked. `response_bytes` counts what the model said.
    `model_seconds` is the wait for the head of its answer; `response_seconds` what passing
    on the rest of it took.
    """

    method: str
    path: str
    endpoint: str
    deployment: str
    code: int
    reason: str
    model_status: int | None
    model_reason: str
    request_bytes: int
    response_bytes: int
    user_agent: str
    request_id: str
    client_request_id: str
    total_seconds: float
    model_seconds: float
    response_seconds: float


OnFinished = Callable[[RequestRecord], None]
"""Called on the event loop at the end of every request; must return at once and not raise."""
