"""Refusals in the Blob service's words."""

import logging
from collections.abc import Mapping
from xml.sax.saxutils import escape

from starlette.responses import Response

from domain import errors
from infra.embedded.host.invocation import new_id

_log = logging.getLogger(__name__)

_AUTHENTICATION = ("InvalidSignature", "ExpiredSignature")
_STATUS: tuple[tuple[type[errors.DomainError], int, str | None], ...] = (
    (errors.Forbidden, 403, None),
    (errors.BlobNotFound, 404, "BlobNotFound"),
    (errors.NotFound, 404, None),
    (errors.BlobExists, 409, "BlobAlreadyExists"),
    (errors.Conflict, 409, None),
    (errors.PreconditionFailed, 412, "ConditionNotMet"),
    (errors.Invalid, 400, None),
    (errors.TooLarge, 413, "RequestBodyTooLarge"),
    (errors.Unsupported, 501, "NotSupported"),
    (errors.StorageFull, 507, None),
    (errors.Throttled, 503, "ServerBusy"),
    (errors.Unavailable, 503, "ServerBusy"),
)
_OURS = {
    ("BadArgument", "name"): "InvalidResourceName",
    ("BadArgument", "container"): "InvalidResourceName",
    ("BadArgument", "blockId"): "InvalidBlockId",
    ("BadArgument", None): "InvalidInput",
    ("Conflict", None): "ResourceTypeMismatch",
}


class Refusal(Exception):
    """A refusal that only HTTP knows."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


def bad_header(message: str, code: str = "InvalidHeaderValue") -> Refusal:
    return Refusal(400, code, message)


def bad_query(message: str, code: str = "InvalidQueryParameterValue") -> Refusal:
    return Refusal(400, code, message)


def rendered(error: Exception) -> Response:
    """The answer to what an operation raised. Tells nothing of what nobody foresaw."""
    if isinstance(error, Refusal):
        return _error(error.status, error.code, error.message, headers=error.headers)
    if isinstance(error, errors.Forbidden) and error.code in _AUTHENTICATION:
        message = "The request could not be authenticated by its URL's signature."
        return _error(403, "AuthenticationFailed", message, detail=error.message)
    if isinstance(error, errors.DomainError):
        for category, status, code in _STATUS:
            if isinstance(error, category):
                retry_after = getattr(error, "retry_after", None)
                wait = {} if retry_after is None else {"retry-after": _seconds(retry_after)}
                return _error(status, code or _azures(error), error.message, headers=wait)
    request_id = new_id()
    _log.error("the blob door failed", exc_info=error, extra={"request_id": request_id})
    return _error(500, "InternalError", f"The request failed inside; its id is {request_id}.")


def _azures(error: errors.DomainError) -> str:
    return _OURS.get((error.code, error.target)) or _OURS.get((error.code, None)) or error.code


def _seconds(retry_after: float) -> str:
    return str(max(1, round(retry_after)))


def _error(
    status: int,
    code: str,
    message: str,
    *,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    more = "" if detail is None else _element("AuthenticationErrorDetail", detail)
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<Error>{_element('Code', code)}{_element('Message', message)}{more}</Error>"
    )
    given = {**(headers or {}), "x-ms-error-code": code}
    if status == 304:
        return Response(status_code=304, headers=given)
    return Response(body, status, given, media_type="application/xml")


def _element(name: str, text: str) -> str:
    # Messages show names as repr does, so nothing is left in them that XML cannot hold.
    plain = text if text.isprintable() else ascii(text)[1:-1]
    return f"<{name}>{escape(plain)}</{name}>"
