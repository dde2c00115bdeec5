"""Where events go out to."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from domain.errors import Unavailable

EntityKind = Literal["topic", "queue"]


class WebhookUnreachable(Unavailable):
    """Raised by Webhooks: no answer came. The message names no address within the network."""

    code = "WebhookUnreachable"


@dataclass(frozen=True)
class WebhookAnswer:
    """`headers` by names in small letters, the first of each."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


class Webhooks(Protocol):
    """HTTP requests to addresses that users name. None goes where an installation's own
    network or its metadata service is unless a setting allows it, whatever a name resolves
    to; redirects are not followed; each call is limited in time, and of an answer only the
    status and the headers are kept."""

    @abstractmethod
    def fault(self, url: str) -> str | None:
        """Why no request may go to `url`, as far as the text itself shows; or None."""

    @abstractmethod
    async def send(
        self, method: Literal["POST", "OPTIONS"], url: str, headers: Mapping[str, str], body: bytes
    ) -> WebhookAnswer:
        """Raises WebhookUnreachable."""


@dataclass(frozen=True)
class EventMessage:
    """One event for a topic or queue: `id` lets the service detect duplicates, `properties`
    let subscriptions there filter."""

    id: str
    body: bytes
    content_type: str
    subject: str
    properties: Mapping[str, str] = field(default_factory=dict)


class EventTopics(Protocol):
    """Topics and queues of the installation's own messaging namespace that are not the app's."""

    @abstractmethod
    def fault(self, kind: EntityKind, entity: str) -> str | None:
        """Why nothing can be sent to `entity`, as far as can be known without asking."""

    @abstractmethod
    async def send(self, kind: EntityKind, entity: str, message: EventMessage) -> None:
        """Durably enqueue. An entity that is not there may be made yet: Unavailable."""
