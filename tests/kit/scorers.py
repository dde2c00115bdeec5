"""Scorers that answer as a test says."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from domain.ports import (
    Instance,
    Scorer,
    ScoringRequest,
    ScoringResponse,
)

Script = Callable[
    [Instance, ScoringRequest], "ScoringResponse | Awaitable[ScoringResponse] | BaseException"
]


def says(
    status: int = 200,
    body: bytes | AsyncIterator[bytes] = b"",
    headers: Sequence[tuple[str, str]] = (),
) -> ScoringResponse:
    return ScoringResponse(status, headers, body)


def names_itself(instance: Instance, request: ScoringRequest) -> ScoringResponse:
    return says(body=instance.id.encode())


class ScriptedScorer(Scorer):
    """Answers as `script` says; `asked` keeps the latest requests."""

    def __init__(self, script: Script = names_itself) -> None:
        self.script = script
        self.asked: list[tuple[Instance, ScoringRequest, float]] = []

    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        self.asked.append((instance, request, timeout))
        found = self.script(instance, request)
        if isinstance(found, BaseException):
            raise found
        return await found if inspect.isawaitable(found) else found
