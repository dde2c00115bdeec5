"""Responses that a script returns whole: AMLResponse, Flask's, Starlette's, or any object
with `status_code` and `headers`. Known by their shape, so nothing is imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..coroutines import iterate
from ..server.exchange import Request

JSON = "content-type: application/json\r\n"

# What the server says itself: framing, and the ids of the request.
_OWN = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "transfer-encoding",
        "x-ms-request-id",
        "x-request-id",
    }
)


class UnsendableResult(Exception):
    """The response cannot go on the wire; the message says why."""


class Response(NamedTuple):
    """`headers` is ready text."""

    status: int
    headers: str
    body: bytes | Iterator[bytes]


def is_response(result: Any) -> bool:
    return hasattr(result, "status_code") and hasattr(result, "headers")


def from_response(result: Any, request: Request) -> Response:
    """Raises UnsendableResult."""
    status = result.status_code
    if not isinstance(status, int) or not 200 <= status <= 999:
        raise UnsendableResult(f"run() returned a response whose status is {status!r}")
    lines = []
    for name, value in result.headers.items():
        line = f"{name}: {value}"
        if "\r" in line or "\n" in line or not line.isprintable():
            raise UnsendableResult(f"run() returned a response with a bad header {name!r}")
        lower = name.lower()
        if lower in _OWN or (lower == "x-ms-run-function-failed" and status >= 500):
            continue
        try:
            line.encode("latin-1")
        except UnicodeEncodeError:
            raise UnsendableResult(
                f"run() returned a response whose header {name!r} is not Latin-1"
            ) from None
        lines.append(f"{line}\r\n")
    return Response(status, "".join(lines), _body(result))


def _body(result: Any) -> bytes | Iterator[bytes]:
    if hasattr(result, "iter_encoded"):  # Werkzeug, Flask, AMLResponse
        if getattr(result, "is_streamed", False):
            return _pieces(result.iter_encoded())
        result.direct_passthrough = False
        return bytes(result.get_data())
    content = getattr(result, "body_iterator", None)  # Starlette's streaming responses
    if content is None:
        content = getattr(result, "body", b"")
    if content is None:
        return b""
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    if hasattr(content, "__anext__"):
        return _pieces(iterate(content))
    if hasattr(content, "__iter__"):
        return _pieces(content)
    raise UnsendableResult(f"run() returned a response whose body is {type(content).__name__}")


def _pieces(items: Any) -> Iterator[bytes]:
    try:
        for item in items:
            yield item.encode() if isinstance(item, str) else bytes(item)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
