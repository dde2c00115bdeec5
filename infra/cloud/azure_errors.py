"""What the exceptions of azure-cosmos and azure-storage-blob mean to the domain: one table,
most specific first. (azure-servicebus speaks AMQP: service_bus_errors.)

An answer of a service is judged by its own error code, then by its HTTP status, then by the
class of the exception; what never became an answer, by its class. Every class that they
define has a row of its own (tests/infra/cloud/test_azure_errors.py).

Azure refusing *our* credential says nothing about the caller's, so it is Unavailable here,
never Unauthenticated or Forbidden.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiohttp import ClientConnectorCertificateError, ClientConnectorError
from azure.core import exceptions as core
from azure.cosmos import exceptions as cosmos

from domain import errors

_LONGEST_WAIT = 3600.0


@dataclass(frozen=True)
class Meaning:
    """`passing`: the same call may succeed if it is made again. `unseen`: the service is
    sure not to have done what was asked; otherwise a failed call may have taken effect."""

    error: type[errors.DomainError]
    passing: bool = False
    unseen: bool = False
    code: str | None = None


_MISSING = Meaning(errors.NotFound)
_TAKEN = Meaning(errors.Conflict)
_STALE = Meaning(errors.PreconditionFailed)
_WRONG = Meaning(errors.Invalid)
_TOO_LARGE = Meaning(errors.TooLarge)
_THROTTLED = Meaning(errors.Throttled, passing=True, unseen=True)
_RETRY_WITH = Meaning(errors.Unavailable, passing=True, unseen=True)
_PASSING = Meaning(errors.Unavailable, passing=True)
_BROKEN = Meaning(errors.Unavailable)
_REFUSED = Meaning(errors.Unavailable, code="DependencyRefusedUs")
_MISCONFIGURED = Meaning(errors.Unavailable, code="DependencyNotSetUp")
_FULL = Meaning(errors.StorageFull)

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

BY_CLASS: tuple[tuple[type[Exception], Meaning], ...] = (
    # azure.cosmos
    (cosmos.CosmosResourceNotFoundError, _MISSING),
    (cosmos.CosmosResourceExistsError, _TAKEN),
    (cosmos.CosmosAccessConditionFailedError, _STALE),
    (cosmos.CosmosBatchOperationError, _BROKEN),
    (cosmos.CosmosClientTimeoutError, _PASSING),
    (cosmos.CosmosHttpResponseError, _BROKEN),
    # azure.core
    (core.ResourceNotFoundError, _MISSING),
    (core.ResourceExistsError, _TAKEN),
    (core.ResourceModifiedError, _STALE),
    (core.ResourceNotModifiedError, _STALE),
    (core.ClientAuthenticationError, _REFUSED),
    (core.TooManyRedirectsError, _BROKEN),
    (core.ODataV4Error, _BROKEN),
    (core.IncompleteReadError, _PASSING),
    (core.DecodeError, _PASSING),
    (core.HttpResponseError, _BROKEN),
    (core.ServiceRequestTimeoutError, _PASSING),
    (core.ServiceResponseTimeoutError, _PASSING),
    (core.ServiceRequestError, _PASSING),
    (core.ServiceResponseError, _PASSING),
    (core.StreamConsumedError, _BROKEN),
    (core.StreamClosedError, _BROKEN),
    (core.ResponseNotReadError, _BROKEN),
    (core.AzureError, _BROKEN),
    (core.SerializationError, _WRONG),
    (core.DeserializationError, _BROKEN),
    # Around the SDKs: our own time limits, and what a transport lets through.
    (TimeoutError, _PASSING),
    (ConnectionError, _PASSING),
)

SDK_ERRORS = tuple(row for row, _ in BY_CLASS)
"""What to catch around an SDK's call."""


@dataclass(frozen=True)
class Fault:
    """An SDK's exception as the domain's, and what `Patience` needs to know of it."""

    error: errors.DomainError
    passing: bool
    unseen: bool
    retry_after: float | None


def fault(
    error: Exception,
    subject: str,
    leaves: Mapping[type[errors.DomainError], type[errors.DomainError]] | None = None,
) -> Fault:
    """`error`, which is one of SDK_ERRORS, in the domain's words: `subject` names what was
    asked for, `leaves` gives a port's own class for a category."""
    meaning = meaning_of(error)
    retry_after = _retry_after(error)
    # A meaning with a code of its own is no condition of a port.
    category = (leaves or {}).get(meaning.error) if meaning.code is None else None
    category = category or meaning.error
    message = f"{subject}: {_reason(error)}"
    translated: errors.DomainError
    if issubclass(category, errors.Throttled | errors.Unavailable):
        translated = category(message, retry_after=retry_after or 1.0, code=meaning.code)
    else:
        translated = category(message, code=meaning.code)
    return Fault(
        translated,
        passing=meaning.passing,
        unseen=meaning.unseen or _never_connected(error),
        retry_after=retry_after,
    )


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
    for row, meaning in BY_CLASS:
        if isinstance(error, row):
            return meaning
    raise TypeError(f"{type(error).__name__} is no error of an SDK.") from error


def _never_connected(error: Exception) -> bool:
    """azure-core calls a connection that broke after the request was sent a
    ServiceRequestError too; only one that was never made is sure to have done nothing."""
    return isinstance(error, core.ServiceRequestError) and isinstance(
        getattr(error, "inner_exception", None), ClientConnectorError
    )


def _retry_after(error: Exception) -> float | None:
    """Seconds, as the service asked for them in its answer."""
    headers = getattr(error, "headers", None)
    if not headers:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
    lower = {str(name).lower(): str(value) for name, value in dict(headers).items()}
    for name, unit in (
        ("x-ms-retry-after-ms", 0.001),
        ("retry-after-ms", 0.001),
        ("retry-after", 1.0),
    ):
        try:
            seconds = float(lower[name]) * unit
        except KeyError:
            continue
        except ValueError:
            seconds = _seconds_until(lower[name])
        if math.isfinite(seconds):
            return min(max(seconds, 0.0), _LONGEST_WAIT)
    return None


def _seconds_until(date: str) -> float:
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return math.nan


def _reason(error: Exception) -> str:
    """One line that says what the service said, without the headers and bodies that some
    SDKs put into their messages."""
    if isinstance(error, TimeoutError):
        return "no answer in time."
    code = getattr(error, "error_code", None)
    code = getattr(code, "value", code)
    status = getattr(error, "status_code", None)
    if code or status:
        parts = [str(part) for part in (status, code) if part]
        return f"the service answered {' '.join(parts)}."
    cause = getattr(error, "inner_exception", None)
    name = type(error).__name__
    return f"{name}." if cause is None else f"{name} ({type(cause).__name__})."
