"""The EventTopics port where there is no Service Bus."""

from domain.errors import Unsupported
from domain.ports import EntityKind, EventMessage, EventTopics


class NoTopics(EventTopics):
    """An embedded host's queues are files that nobody else reads: there is nothing to send
    to, and a subscription is refused with that reason."""

    def fault(self, kind: EntityKind, entity: str) -> str | None:
        return (
            f"There is no {kind} to send to: this installation has no Service Bus. Use a "
            "WebHook, or run on Azure's services."
        )

    async def send(self, kind: EntityKind, entity: str, message: EventMessage) -> None:
        raise Unsupported(self.fault(kind, entity) or "")
