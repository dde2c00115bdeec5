"""What is kept of a finished scoring request, and who is told of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from domain.scoring.scoring_refusals import CALLER_GONE, OF_CALLERS, OF_THE_GATEWAY


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


class Fault(StrEnum):
    """Whose it is that a request had no good answer."""

    CALLER = "caller"
    DEPLOYMENT = "deployment"
    GATEWAY = "gateway"


class Streamed(NamedTuple):
    """The times of an answer that was passed on piece by piece, in seconds: from the request's
    arrival to the first byte of its body (None: it had none), and from its head to its end."""

    first_byte: float | None
    duration: float


@dataclass(slots=True)
class RequestRecord:
    """One request, told once, when it is over. Times are in seconds, sizes in bytes of body.

    `code` is what the caller was answered and `reason` the refusal's code, '' for none. Where
    the answer had begun before it failed they say what it came to: 499 for a caller that went
    away, else what a failure of the same kind before the first byte is answered with.
    `model_status` and `model_reason` are the container's own, None and '' when none was asked.
    `response_bytes` counts what the model said. `model_seconds` is the wait for the head of its
    answer; `streamed` is None for an answer that came whole. `non_finite`: the model gave NaN
    or infinity, for which the answer has null. `caller` is whose credential it was: `key:primary`,
    `key:secondary`, or `client:` and the client's id; '' where it was none.
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
    streamed: Streamed | None
    non_finite: bool
    caller: str

    @property
    def fault(self) -> Fault | None:
        """None where the answer is a good one. A model that answers with a status of 400 to 499
        refuses what its caller sent, unless that status speaks of its own time or load."""
        code = self.code
        if code < 400:
            return None
        if code == CALLER_GONE or self.reason in OF_CALLERS:
            return Fault.CALLER
        if code == 500 or self.reason in OF_THE_GATEWAY:
            return Fault.GATEWAY
        model = self.model_status
        if self.ending is Ending.ANSWERED and model is not None and 400 <= model < 500:
            return Fault.DEPLOYMENT if model in _OF_THE_MODEL else Fault.CALLER
        return Fault.DEPLOYMENT


_OF_THE_MODEL = frozenset({408, 424, 425, 429})

Listener = Callable[[RequestRecord], None]
"""Told at the end of an exchange, once, on the event loop. Must return at once: what takes time
belongs into a task of its own. Whatever it raises is logged and harms nobody."""
