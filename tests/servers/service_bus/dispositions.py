"""How deliveries are settled on the wire, either way."""

from typing import Any

from proton import Condition, Delivery, Disposition, symbol

from tests.servers.service_bus.faults import Refuse
from tests.servers.service_bus.queue import Outcome

NO_INFO = {symbol("com.microsoft:tracking-id"): "none"}
LOCK_LOST = Refuse(
    "com.microsoft:message-lock-lost",
    "The lock supplied is invalid. Either the lock expired, or the message has already been"
    " removed from the queue.",
)


def asked(delivery: Any) -> tuple[Outcome, str, str]:
    """What a receiver wants done with a message; if dead-lettered, its reason and more."""
    remote = delivery.remote
    match delivery.remote_state:
        case Disposition.ACCEPTED:
            return Outcome.COMPLETED, "", ""
        case Disposition.MODIFIED:
            return (Outcome.DEFERRED if remote.undeliverable else Outcome.ABANDONED), "", ""
        case Disposition.REJECTED:
            info = dict((remote.condition.info if remote.condition else None) or {})
            reason = str(info.get("DeadLetterReason") or "")
            return Outcome.DEAD_LETTERED, reason, str(info.get("DeadLetterErrorDescription") or "")
        case _:
            return Outcome.RELEASED, "", ""


def accept(delivery: Any) -> None:
    delivery.update(Delivery.ACCEPTED)
    delivery.settle()


def reject(delivery: Any, fault: Refuse) -> None:
    # The SDK hangs on an error without an info map.
    delivery.local.condition = Condition(fault.condition, fault.description, NO_INFO)
    delivery.update(Delivery.REJECTED)
    delivery.settle()


def echo(delivery: Any) -> None:
    """Settle with the outcome that the client asked for, without its error."""
    if not delivery.settled:
        if delivery.remote_state == Disposition.MODIFIED:
            delivery.local.failed = delivery.remote.failed
            delivery.local.undeliverable = delivery.remote.undeliverable
        delivery.update(delivery.remote_state)
    delivery.settle()
