"""What azure-servicebus raises, as the domain has it: one table, most specific first."""

from collections.abc import Callable
from dataclasses import dataclass

from azure.core.exceptions import AzureError
from azure.servicebus.exceptions import (
    AutoLockRenewFailed,
    AutoLockRenewTimeout,
    MessageAlreadySettled,
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityAlreadyExistsError,
    MessagingEntityDisabledError,
    MessagingEntityNotFoundError,
    OperationTimeoutError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusCommunicationError,
    ServiceBusConnectionError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
    ServiceBusServerBusyError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from domain import errors
from infra.queue_consumer import LockLost

BUSY_FOR = 10.0
"""Seconds; what Service Bus asks of clients that it throttles."""


@dataclass(frozen=True)
class Row:
    """`passing`: the same call may succeed a moment later. `broken`: the link it was made on
    is of no use any more."""

    error: Callable[[str], Exception]
    passing: bool = False
    broken: bool = False


def _unavailable(reason: str) -> Exception:
    return errors.Unavailable(f"Service Bus: {reason}")


def _refused(reason: str) -> Exception:
    return errors.Unavailable(f"Service Bus does not let this app in: {reason}", retry_after=30.0)


def _busy(reason: str) -> Exception:
    return errors.Throttled(f"Service Bus is busy: {reason}", retry_after=BUSY_FOR)


def _full(reason: str) -> Exception:
    return errors.StorageFull(f"A Service Bus queue is full: {reason}", retry_after=30.0)


def _too_large(reason: str) -> Exception:
    return errors.MessageTooLarge(f"Service Bus takes no message of this size: {reason}")


def _silent(reason: str) -> Exception:
    return errors.Unavailable(f"Service Bus did not answer in time: {reason}")


def _lost(reason: str) -> Exception:
    return LockLost()


_PASSING = Row(_unavailable, passing=True, broken=True)
_LASTING = Row(_unavailable, broken=True)

TABLE: dict[type[Exception], Row] = {
    MessageSizeExceededError: Row(_too_large),
    ServiceBusServerBusyError: Row(_busy, passing=True),
    ServiceBusQuotaExceededError: Row(_full),
    MessageLockLostError: Row(_lost),
    MessageAlreadySettled: Row(_lost),
    MessageNotFoundError: Row(_lost),
    SessionLockLostError: Row(_lost),
    SessionCannotBeLockedError: _PASSING,
    OperationTimeoutError: _PASSING,
    ServiceBusConnectionError: _PASSING,
    ServiceBusCommunicationError: _PASSING,
    # A token that has just expired, or a role that has just been given.
    ServiceBusAuthenticationError: Row(_refused, passing=True, broken=True),
    ServiceBusAuthorizationError: Row(_refused, broken=True),
    MessagingEntityNotFoundError: _LASTING,
    MessagingEntityDisabledError: _LASTING,
    MessagingEntityAlreadyExistsError: _LASTING,
    AutoLockRenewFailed: _PASSING,
    AutoLockRenewTimeout: _PASSING,
    ServiceBusError: _PASSING,
    # A credential that gets no token, for one.
    AzureError: _PASSING,
    TimeoutError: Row(_silent, passing=True, broken=True),
    OSError: _PASSING,
}


def row(error: Exception) -> Row:
    """The row of an error's nearest class. Whatever else comes out of the SDK (its private
    AMQP errors do when a connection breaks while it is opened or closed) is a fault of the
    connection."""
    for kind in type(error).__mro__:
        if kind in TABLE:
            return TABLE[kind]
    return _PASSING


def translated(error: Exception) -> Exception:
    """What the caller of a port, or of a consumer, is told instead."""
    if isinstance(error, (errors.DomainError, LockLost)):
        return error
    return row(error).error(str(error) or type(error).__name__)
