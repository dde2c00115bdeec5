"""Responses that a script returns whole: AMLResponse, Flask's, Starlette's, or any object
with `status_code` and `headers`. Known by their shape, so nothing is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

JSON = "content-type: application/json\r\n"

_WITHOUT_BODY = (204, 304)
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


_NODE = "ml-endpoints-node"
"""By such headers a gateway knows what a node says itself (runtime/node)."""


class UnsendableResult(Exception):
    """The response cannot go on the wire; the message says why."""


class Streamed(NamedTuple):
    """A body whose parts `source` gives one by one, and what is to be called when it ends."""

    source: Any
    close: Callable[[], object] | None = None


class Response(NamedTuple):
    """`headers` is ready text; `kind` is the content type among them."""

    status: int
    headers: str
    kind: str
    body: bytes | Streamed


def is_response(result: Any) -> bool:
    return hasattr(result, "status_code") and hasattr(result, "headers")


def from_response(result: Any) -> Response:
    """Raises UnsendableResult."""
    status = result.status_code
    if not isinstance(status, int) or not 200 <= status <= 999:
        raise UnsendableResult(f"run() returned a response whose status is {status!r}")
    lines, kind = [], ""
    for name, value in result.headers.items():
        line = f"{name}: {value}"
        if "\r" in line or "\n" in line or not line.isprintable():
            raise UnsendableResult(f"run() returned a response with a bad header {name!r}")
        lower = name.lower()
        if lower in _OWN or (lower == "x-ms-run-function-failed" and status >= 500):
            continue
        if lower.startswith(_NODE):
            continue
        try:
            line.encode("latin-1")
        except UnicodeEncodeError:
            raise UnsendableResult(
                f"run() returned a response whose header {name!r} is not Latin-1"
            ) from None
        if lower == "content-type":
            kind = value
        lines.append(f"{line}\r\n")
    body = b"" if status in _WITHOUT_BODY else _body(result)
    return Response(status, "".join(lines), kind, body)


def _body(result: Any) -> bytes | Streamed:
    if hasattr(result, "iter_encoded"):  # Werkzeug, Flask, AMLResponse
        if getattr(result, "is_streamed", False):
            return Streamed(result.response, result.close)
        result.direct_passthrough = False
        try:
            return bytes(result.get_data())
        except (TypeError, ValueError) as error:
            raise UnsendableResult(f"run() returned a response without a body: {error}") from None
    content = getattr(result, "body_iterator", None)  # Starlette's streaming responses
    if content is None:
        content = getattr(result, "body", b"")
    if content is None:
        return b""
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    return Streamed(content)
