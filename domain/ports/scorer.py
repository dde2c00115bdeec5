"""Talking to what serves."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from domain.ports.serving import Instance


@dataclass(slots=True)
class ScoringRequest:
    """A caller's request for one instance: `headers` lower-case, without hop-by-hop ones. Not
    to be changed; not frozen, as that would cost each request half a microsecond."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: AsyncIterator[bytes] | bytes


@dataclass(slots=True)
class ScoringResponse:
    """The instance's answer, not to be changed. A small, whole body is bytes; else it streams
    and must be iterated or closed. Iterating raises BrokenOff where it ends before its end."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: AsyncIterator[bytes] | bytes


class Scorer(Protocol):
    """Talks to the instances that the Serving beside it gives."""

    @abstractmethod
    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        """One request to one instance, body and answer untouched. `timeout` (seconds)
        bounds the wait for the answer's head; the instance keeps it from piece to piece.
        Raises TimeoutError; InstanceLost, which says whether any of the request was sent."""


class InstanceLost(Exception):
    """The instance did not answer. `sent` is False when it is sure that the instance saw
    none of the request, so that another may be tried."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class Break(StrEnum):
    """Why an answer broke off."""

    INSTANCE_LOST = "instanceLost"
    """The instance is not there any more."""
    TIME_LIMIT = "timeLimit"
    """The next piece did not come in time."""
    CUT_OFF = "cutOff"
    """The instance is there, and ended the answer."""


class BrokenOff(Exception):
    """An answer's body ended before its end."""

    def __init__(self, why: Break, told: str) -> None:
        super().__init__(told)
        self.why = why
