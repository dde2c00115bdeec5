"""What the exceptions of Azure's SDKs mean to the domain: one table for azure-core,
azure-cosmos, azure-storage-blob, azure-identity and azure-servicebus.

An answer of a service is judged by its own error code, then by its HTTP status, then by the
class of the exception; what never became an answer, and all that AMQP brings, by its class.
Every class that the SDKs export has a row of its own (tests/infra/cloud/test_azure_errors.py);
another takes that of its nearest ancestor.

Azure refusing *our* credential says nothing about the caller's, so it is Unavailable here,
never Unauthenticated or Forbidden.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aiohttp import ClientConnectorCertificateError
from azure import identity
from azure.core import exceptions as core
from azure.cosmos import exceptions as cosmos
from azure.servicebus import exceptions as bus
from azure.storage import blob

from domain import errors
from infra.rules.queue_consumer import LockLost


@dataclass(frozen=True)
class Meaning:
    """`passing`: the same call may succeed if it is made again. `unseen`: the service is
    sure not to have done what was asked; otherwise a failed call may have taken effect.
    `link_holds`: the AMQP link that it came by is still good. `wait`: the seconds to come
    back after, where the service names none."""

    error: type[errors.DomainError] | type[LockLost]
    passing: bool = False
    unseen: bool = False
    link_holds: bool = False
    code: str | None = None
    wait: float = 1.0


_MISSING = Meaning(errors.NotFound)
_TAKEN = Meaning(errors.Conflict)
_STALE = Meaning(errors.PreconditionFailed)
_WRONG = Meaning(errors.Invalid)
_TOO_LARGE = Meaning(errors.TooLarge)
_THROTTLED = Meaning(errors.Throttled, passing=True, unseen=True)
_RETRY_WITH = Meaning(errors.Unavailable, passing=True, unseen=True)
_PASSING = Meaning(errors.Unavailable, passing=True)
_BROKEN = Meaning(errors.Unavailable)
_REFUSED = Meaning(errors.Unavailable, code="DependencyRefusedUs", wait=30.0)
_MISCONFIGURED = Meaning(errors.Unavailable, code="DependencyNotSetUp")
_FULL = Meaning(errors.StorageFull)
_LOST = Meaning(LockLost, link_holds=True)

_BY_SERVICE_CODE: Mapping[str, Meaning] = {
    "AccountIsDisabled": _MISCONFIGURED,
    "BlobArchived": _TAKEN,
    "BlobOverwritten": _STALE,
    "BlockCountExceedsLimit": _WRONG,
    "ContainerBeingDeleted": _PASSING,
    "InsufficientAccountPermissions": _REFUSED,
    "InvalidBlobOrBlock": _WRONG,
    "InvalidBlockList": _WRONG,
    "InvalidRange": _WRONG,
    "LeaseIdMissing": Meaning(errors.Conflict, code="BlobIsLeased"),
    "OperationTimedOut": _PASSING,
    "ServerBusy": _THROTTLED,
    "InternalError": _PASSING,
}

_BY_STATUS: Mapping[int, Meaning] = {
    304: _STALE,
    400: _WRONG,
    401: _REFUSED,
    403: _REFUSED,
    404: _MISSING,
    408: _PASSING,
    409: _TAKEN,
    410: _PASSING,
    412: _STALE,
    413: _TOO_LARGE,
    416: _WRONG,
    423: _PASSING,
    424: _BROKEN,
    429: _THROTTLED,
    449: _RETRY_WITH,
    500: _PASSING,
    502: _PASSING,
    503: _PASSING,
    504: _PASSING,
    507: _FULL,
}

_OWNER_MISSING = 1003
_PARTITION_FULL = 1014
"""Sub-statuses of Cosmos DB: 404 because the container is not there; 403 because a logical
partition has reached 20 GB."""

BY_CLASS: Mapping[type[Exception], Meaning] = {
    # azure.core
    core.AzureError: _BROKEN,
    core.ClientAuthenticationError: _REFUSED,
    core.DecodeError: _PASSING,
    core.DeserializationError: _BROKEN,
    core.HttpResponseError: _BROKEN,
    core.IncompleteReadError: _PASSING,
    core.ODataV4Error: _BROKEN,
    core.ResourceExistsError: _TAKEN,
    core.ResourceModifiedError: _STALE,
    core.ResourceNotFoundError: _MISSING,
    core.ResourceNotModifiedError: _STALE,
    core.ResponseNotReadError: _BROKEN,
    core.SerializationError: _WRONG,
    core.ServiceRequestError: _PASSING,
    core.ServiceRequestTimeoutError: _PASSING,
    core.ServiceResponseError: _PASSING,
    core.ServiceResponseTimeoutError: _PASSING,
    core.StreamClosedError: _BROKEN,
    core.StreamConsumedError: _BROKEN,
    core.TooManyRedirectsError: _BROKEN,
    # azure.identity
    identity.AuthenticationRequiredError: _REFUSED,
    identity.CredentialUnavailableError: _REFUSED,
    # azure.cosmos
    cosmos.CosmosAccessConditionFailedError: _STALE,
    cosmos.CosmosBatchOperationError: _BROKEN,
    cosmos.CosmosClientTimeoutError: _PASSING,
    cosmos.CosmosHttpResponseError: _BROKEN,
    cosmos.CosmosResourceExistsError: _TAKEN,
    cosmos.CosmosResourceNotFoundError: _MISSING,
    # azure.storage.blob
    blob.PartialBatchErrorException: _BROKEN,
    # azure.servicebus
    bus.AutoLockRenewFailed: _PASSING,
    bus.AutoLockRenewTimeout: _PASSING,
    bus.MessageAlreadySettled: _LOST,
    bus.MessageLockLostError: _LOST,
    bus.MessageNotFoundError: _LOST,
    bus.MessageSizeExceededError: Meaning(errors.MessageTooLarge, link_holds=True),
    bus.MessagingEntityAlreadyExistsError: _BROKEN,
    bus.MessagingEntityDisabledError: _MISCONFIGURED,
    bus.MessagingEntityNotFoundError: _MISCONFIGURED,
    bus.OperationTimeoutError: _PASSING,
    # A token that has just expired, or a role that has just been given.
    bus.ServiceBusAuthenticationError: replace(_REFUSED, passing=True),
    bus.ServiceBusAuthorizationError: _REFUSED,
    bus.ServiceBusCommunicationError: _PASSING,
    bus.ServiceBusConnectionError: _PASSING,
    bus.ServiceBusError: _PASSING,
    bus.ServiceBusQuotaExceededError: replace(_FULL, link_holds=True, wait=30.0),
    # What Service Bus asks of clients that it throttles.
    bus.ServiceBusServerBusyError: replace(_THROTTLED, link_holds=True, wait=10.0),
    bus.SessionCannotBeLockedError: _PASSING,
    bus.SessionLockLostError: _LOST,
    # Around the SDKs: our own time limits, and what a transport lets through.
    TimeoutError: _PASSING,
    ConnectionError: _PASSING,
    # azure-servicebus lets private errors of its AMQP library through, when a connection
    # breaks while it is opened or closed.
    Exception: _PASSING,
}

HTTP_ERRORS = (
    core.AzureError,
    core.SerializationError,
    core.DeserializationError,
    TimeoutError,
    ConnectionError,
)
"""What to catch around a call of an SDK that speaks HTTP. (Around azure-servicebus, anything:
see the table's last row.)"""


def meaning_of(error: Exception) -> Meaning:
    service_code = getattr(error, "error_code", None)
    by_code = _BY_SERVICE_CODE.get(str(getattr(service_code, "value", service_code)))
    if by_code is not None:
        return by_code
    status = getattr(error, "status_code", None)
    sub_status = getattr(error, "sub_status", None)
    if status == 404 and sub_status == _OWNER_MISSING:
        return _MISCONFIGURED
    if status == 403 and sub_status == _PARTITION_FULL:
        return _FULL
    if isinstance(getattr(error, "inner_exception", None), ClientConnectorCertificateError):
        return _MISCONFIGURED
    # An answer that could not be read is judged by that, not by the status it came with.
    if isinstance(status, int) and not isinstance(error, core.DecodeError):
        by_status = _BY_STATUS.get(status)
        if by_status is not None:
            return by_status
        if status >= 500:
            return _PASSING
    return next(BY_CLASS[kind] for kind in type(error).__mro__ if kind in BY_CLASS)
