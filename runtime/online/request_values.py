"""The values that a request holds: in its query, or as a JSON object in its body."""

from __future__ import annotations

import codecs
import json
from typing import Any
from urllib.parse import parse_qsl, quote

from ..server.exchange import Request


class BadInput(Exception):
    """The request cannot become the arguments of `run`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def _kept(error: UnicodeError) -> tuple[str, int]:
    """What is not UTF-8 stays as it stood in the URL."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return quote(error.object[error.start : error.end]), error.end


codecs.register_error("ml_endpoints.percent", _kept)


def of_query(query: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for name, text in parse_qsl(query, keep_blank_values=True, errors="ml_endpoints.percent"):
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        counts[name] = counts.get(name, 0) + 1
        if counts[name] == 1:
            values[name] = value
        elif counts[name] == 2:
            values[name] = [values[name], value]
        else:
            values[name].append(value)
    return values


def of_json(request: Request) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise BadInput(415, "Expects Content-Type to be application/json")
    if not request.body:
        raise BadInput(400, "POST body is empty. Expecting a JSON dictionary.")
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise BadInput(400, f"POST body could not be decoded as JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadInput(400, "POST body should be a JSON dictionary.")
    return value
