"""What is kept of a finished scoring request, and who is told of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    ANSWERED = "answered"
    """The instance's answer was passed on whole, whatever its status."""
    REFUSED = "refused"
    """The gateway answered in the model's place."""
    BROKEN_OFF = "brokenOff"
    """The answer had begun, and its body broke off at the instance."""
    CALLER_GONE = "callerGone"
    """The caller did not wait for the end."""
    FAILED = "failed"
    """By a fault of the gateway's own."""


@dataclass(slots=True)
class RequestRecord:
    """One request, told once, when it is over. Times are in seconds, sizes in bytes of body.

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
    ending: Ending
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


Listener = Callable[[RequestRecord], None]
"""Told at the end of an exchange, once, on the event loop. Must return at once: what takes time
belongs into a task of its own. Whatever it raises is logged and harms nobody."""
