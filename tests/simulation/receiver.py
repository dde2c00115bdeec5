"""A receiver of webhooks in a simulation."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from domain.ports import WebhookAnswer, Webhooks, WebhookUnreachable


@dataclass
class UnsteadyReceiver(Webhooks):
    """Consents; takes an event, or fails in one of the ways that receivers have."""

    rng: random.Random
    fails: float = 0.0
    taken: list[str] = field(default_factory=list)

    def fault(self, url: str) -> str | None:
        return None

    async def send(
        self, method: Literal["POST", "OPTIONS"], url: str, headers: Mapping[str, str], body: bytes
    ) -> WebhookAnswer:
        if method == "OPTIONS":
            origin = headers["WebHook-Request-Origin"]
            return WebhookAnswer(200, {"webhook-allowed-origin": origin})
        event = json.loads(body)["id"]
        if self.rng.random() < self.fails:
            match self.rng.randrange(4):
                case 0:
                    raise WebhookUnreachable("The webhook did not answer within 10 s.")
                case 1:
                    return WebhookAnswer(503)
                case 2:
                    return WebhookAnswer(429, {"retry-after": "7"})
                case _:
                    self.taken.append(event)
                    raise WebhookUnreachable("The webhook's answer was lost.")
        self.taken.append(event)
        return WebhookAnswer(204)
