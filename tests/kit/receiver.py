"""A receiver of webhooks that answers as a test says."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from domain.ports import WebhookAnswer, Webhooks, WebhookUnreachable
from tests.kit.clocks import HeldClock

HOOK = "https://receiver.example.test/hook"


@dataclass
class Request:
    """What a receiver was sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver(Webhooks):
    """Webhooks that answer by `answers`: 204 unless told, and consent to whoever asks.
    None in the place of an answer is none at all."""

    clock: HeldClock
    consents: bool = True
    rate: str | None = None
    answers: Callable[[Request], WebhookAnswer | int | None] = lambda _: 204
    requests: list[Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def fault(self, url: str) -> str | None:
        return None if url.startswith("https://") else "Only https:// is called."

    async def send(
        self, method: Literal["POST", "OPTIONS"], url: str, headers: Mapping[str, str], body: bytes
    ) -> WebhookAnswer:
        request = Request(method, url, headers, body)
        self.requests.append(request)
        self.times.append(self.clock.unix())
        if method == "OPTIONS":
            origin = headers["WebHook-Request-Origin"] if self.consents else "other.example"
            consent = {"webhook-allowed-origin": origin}
            if self.rate is not None:
                consent["webhook-allowed-rate"] = self.rate
            return WebhookAnswer(200, consent)
        answer = self.answers(request)
        if answer is None:
            raise WebhookUnreachable("The webhook did not answer within 10 s.")
        return WebhookAnswer(answer) if isinstance(answer, int) else answer

    @property
    def posts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    @property
    def types(self) -> list[str]:
        """Of the events that came, without the common prefix."""
        return [post.event["type"].removeprefix("MlEndpoints.") for post in self.posts]
