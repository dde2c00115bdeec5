"""How a refusal is answered: its status, and ARM's error envelope around it."""

from typing import Any

from azurefunctions.extensions.http.fastapi import JSONResponse, Response

from domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    StorageFull,
    Throttled,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unsupported,
)

STATUS: dict[type[DomainError], int] = {
    NotFound: 404,
    Conflict: 409,
    Invalid: 400,
    PreconditionFailed: 412,
    Unauthenticated: 401,
    Forbidden: 403,
    TooLarge: 413,
    Throttled: 429,
    Unavailable: 503,
    StorageFull: 507,
    Unsupported: 400,
}


def status_of(error: DomainError) -> int:
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def render_error(error: DomainError) -> Response:
    """ARM's error envelope."""
    headers = {"x-ms-error-code": error.code}
    if isinstance(error, Throttled | Unavailable):
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    body = {"error": envelope(error)}
    return JSONResponse(body, status_code=status_of(error), headers=headers)


def envelope(error: DomainError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "target": error.target,
        "details": [
            {"code": d.code, "message": d.message, "target": d.target} for d in error.details
        ],
        "additionalInfo": [],
    }
