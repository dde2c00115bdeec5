"""An exception of Azure's SDKs in the domain's words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiohttp import ClientConnectorError
from azure.core.exceptions import ServiceRequestError
from azure.servicebus.exceptions import (
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusError,
)

from domain import errors
from infra.cloud.azure_errors import meaning_of
from infra.rules.queue_consumer import LockLost

_LONGEST_WAIT = 3600.0


@dataclass(frozen=True)
class Fault:
    """`error` is what the caller of a port, or of a consumer, is told; the rest is for who
    might try again. `retry_after` is in seconds, and None unless the service named it."""

    error: errors.DomainError | LockLost
    passing: bool
    unseen: bool
    retry_after: float | None
    link_holds: bool = False


def fault(
    error: Exception,
    subject: str,
    leaves: Mapping[type[errors.DomainError], type[errors.DomainError]] | None = None,
) -> Fault:
    """`error` as the table has it: `subject` names what was asked for, `leaves` gives a
    port's own class for a category. What is the domain's already stays as it is."""
    if isinstance(error, errors.DomainError | LockLost):
        return Fault(error, passing=False, unseen=False, retry_after=None, link_holds=True)
    meaning = meaning_of(error)
    retry_after = _retry_after(error)
    return Fault(
        _translated(error, subject, leaves or {}, retry_after),
        passing=meaning.passing,
        unseen=meaning.unseen or _never_connected(error),
        retry_after=retry_after,
        link_holds=meaning.link_holds,
    )


def _translated(
    error: Exception,
    subject: str,
    leaves: Mapping[type[errors.DomainError], type[errors.DomainError]],
    retry_after: float | None,
) -> errors.DomainError | LockLost:
    meaning = meaning_of(error)
    if issubclass(meaning.error, LockLost):
        return meaning.error()
    category = meaning.error
    if meaning.code is None:
        # A meaning with a code of its own is no condition of a port.
        category = leaves.get(category, category)
    message = f"{subject}: {_reason(error)}"
    if issubclass(category, errors.Throttled | errors.Unavailable):
        return category(message, retry_after=retry_after or meaning.wait, code=meaning.code)
    return category(message, code=meaning.code)


def _never_connected(error: Exception) -> bool:
    """azure-core calls a connection that broke after the request was sent a
    ServiceRequestError too; only one that was never made is sure to have done nothing."""
    return isinstance(error, ServiceRequestError) and isinstance(
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
    if isinstance(error, ServiceBusAuthenticationError | ServiceBusAuthorizationError):
        return f"it does not let this app in. {error}"
    if isinstance(error, ServiceBusError):
        return str(error)
    cause = getattr(error, "inner_exception", None)
    name = type(error).__name__
    return f"{name}." if cause is None else f"{name} ({type(cause).__name__})."
