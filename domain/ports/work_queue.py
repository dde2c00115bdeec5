"""Named queues, at least once."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from domain.ports.resource_store import Json


@dataclass(frozen=True)
class Message:
    """What is sent: a small JSON body that names work, never carries it. `properties` travel
    beside it; `schema` is the queue's own (domain/ground/schema.py) unless they say another."""

    body: Json
    delay: timedelta = timedelta(0)
    properties: Mapping[str, str] = field(default_factory=dict)


class WorkQueue(Protocol):
    """Named queues, delivered at least once by the host to queue-triggered functions, in no
    promised order. The sender's trace context travels with the message."""

    @abstractmethod
    async def send(self, queue: str, *messages: Message) -> None:
        """Durably enqueue every message before returning; on an error some may be
        enqueued. Raises MessageTooLarge over 256 KB of encoded body."""
