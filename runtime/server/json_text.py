"""Values as JSON. It has no word for NaN and infinity, which are null here."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

_STRICT = json.JSONEncoder(allow_nan=False)


class JsonText(NamedTuple):
    """`non_finite`: null stands there for NaN or infinity."""

    body: bytes
    non_finite: bool = False


def written(value: Any) -> JsonText:
    """Raises TypeError, ValueError and RecursionError for what JSON cannot hold."""
    try:
        return JsonText(_STRICT.encode(value).encode())
    except ValueError as error:
        if not str(error).startswith("Out of range"):
            raise
    return JsonText(_STRICT.encode(_finite(value)).encode(), non_finite=True)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_key(name): _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value


def _key(name: Any) -> Any:
    unsayable = isinstance(name, float) and not math.isfinite(name)
    return json.dumps(name) if unsayable else name
