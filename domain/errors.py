"""Every refusal the domain can make.

    DomainError
      NotFound              the thing named does not exist
      Conflict              it exists, or is busy, or another rule of state forbids it
      Invalid               the request is wrong; `details` lists every fault at once
      PreconditionFailed    If-Match / If-None-Match did not hold
      Unauthenticated       no credential, or one that is not ours
      Forbidden             a good credential without the right
      TooLarge              more bytes than a limit allows
      Throttled             come back after `retry_after` seconds
      Unavailable           a dependency failed or is not ready yet; try again
      Unsupported           understood, but this installation cannot do it; says why

Categories carry meaning, never HTTP: a status is chosen in handlers/http.py alone. A leaf
names its condition in `code` and builds its message from ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Detail:
    """One fault among several: what, where (`target` is a wire path such as
    `properties.traffic`), and what to do."""

    code: str
    message: str
    target: str | None = None


class DomainError(Exception):
    """Base of every refusal."""

    code = "DomainError"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        target: str | None = None,
        details: Sequence[Detail] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.target = target
        self.details = tuple(details)


class NotFound(DomainError):
    code = "ResourceNotFound"


class Conflict(DomainError):
    code = "Conflict"


class Invalid(DomainError):
    code = "BadArgument"


class PreconditionFailed(DomainError):
    code = "PreconditionFailed"


class Unauthenticated(DomainError):
    code = "AuthenticationFailed"


class Forbidden(DomainError):
    code = "AuthorizationFailed"


class TooLarge(DomainError):
    code = "RequestEntityTooLarge"


class Unsupported(DomainError):
    code = "NotSupported"


class Throttled(DomainError):
    """`retry_after` is in seconds."""

    code = "TooManyRequests"

    def __init__(self, message: str, *, retry_after: float = 1.0, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Unavailable(DomainError):
    """`retry_after` is in seconds."""

    code = "ServiceUnavailable"

    def __init__(self, message: str, *, retry_after: float = 1.0, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class NewerSchema(Unavailable):
    """A newer version of this software wrote or sent it, in a form that this one does not
    understand: it is left alone, for processes of that version."""

    code = "NewerSchema"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=30.0)


class DocumentNotFound(NotFound):
    """Raised by a ResourceStore: no document has this partition and id."""

    code = "DocumentNotFound"


class DocumentExists(Conflict):
    """Raised by a ResourceStore: a document with this partition and id exists."""

    code = "DocumentExists"


class StaleETag(PreconditionFailed):
    """Raised by a ResourceStore or BlobStore: someone wrote in between, or the
    condition asked for did not hold."""

    code = "StaleETag"


class BlobNotFound(NotFound):
    """Raised by a BlobStore."""

    code = "BlobNotFound"


class BlobExists(Conflict):
    """Raised by a BlobStore: write-if-absent met a blob."""

    code = "BlobExists"


class StorageFull(Unavailable):
    """Raised by any store: no space left. Nothing was half-written."""

    code = "InsufficientStorage"


class MessageTooLarge(Invalid):
    """Raised by a WorkQueue: more than 256 KB (Service Bus standard's limit)."""

    code = "MessageTooLarge"


MAX_FAULTS = 100
"""As many are told at once: a body made of nothing but faults gets no answer of its size."""


def refusal(faults: Sequence[Detail]) -> Invalid:
    """With every one of the faults (the first 100), of which there is one at least; its own
    target is the first's."""
    first = faults[0]
    message = first.message
    if len(faults) > 1:
        message = f"The request has {len(faults)} faults; the first: {message}"
    return Invalid(message, target=first.target, details=faults[:MAX_FAULTS])


def refuse(faults: Sequence[Detail]) -> None:
    """Raise the refusal of the faults, if there are any."""
    if faults:
        raise refusal(faults)
