"""The consumer's side of a queue, as the suites see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.ports import Json


@dataclass(frozen=True)
class Delivered:
    body: Json
    properties: Mapping[str, str]


class Recipient(Protocol):
    """Consumers are no port: a family brings its own for the suites."""

    async def take(self, queue: str, count: int) -> Sequence[Delivered]:
        """Receive and complete `count` messages, waiting up to 30 seconds for them."""

    async def is_empty(self, queue: str) -> bool:
        """Whether nothing can be received at this moment."""
