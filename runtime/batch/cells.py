"""The values in a table: as text, and without numpy or pandas in them, neither of which is
imported. By the column: one of a single type, as most are, costs a fraction of what it does to
look at each value."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

_PLAIN = frozenset((int, str, bool, type(None)))
_PARTED = frozenset((list, dict))
# Of numpy's, what Python's own values are the same as to the bit, in every format.
_ALIKE = frozenset(("bool", "bool_", "str_", "float64")).union(
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
)


def is_array(value: Any) -> bool:
    return hasattr(value, "ndim") and hasattr(value, "tolist") and not hasattr(value, "columns")


def listed(array: Any) -> list[Any]:
    """The elements of an array or series, as Python's own values where those equal them."""
    kind = getattr(array.dtype, "kind", "O")
    alike = kind in "biuU" or (kind == "f" and getattr(array.dtype, "itemsize", 0) == 8)
    return list(array.tolist() if alike and array.ndim == 1 else array)


def is_narrow(dtype: Any) -> bool:
    """Whether floats of it have fewer bits than Python's, in which 0.1 of 32 bits would become
    0.10000000149011612."""
    return getattr(dtype, "kind", "O") == "f" and getattr(dtype, "itemsize", 0) < 8


def native(column: Sequence[Any]) -> tuple[Sequence[Any], set[type]]:
    """A column, as Python's own values where it is of one type of numpy's that equals them,
    and the types of its values."""
    kinds = set(map(type, column))
    if len(kinds) == 1:
        [kind] = kinds
        if kind.__module__ == "numpy" and kind.__name__ in _ALIKE:
            column = [value.item() for value in column]
            kinds = set(map(type, column))
    return column, kinds


def plains(column: Sequence[Any]) -> Sequence[Any]:
    """Every value of a column plain."""
    column, kinds = native(column)
    return column if kinds <= _PLAIN else list(map(plain, column))


def plain(value: Any) -> Any:
    """A value without numpy or pandas in it: None for NaN and other blanks, numbers of 32 bits
    as they are written, arrays as lists."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if value == value else None  # noqa: PLR0124 - NaN
    if kind.__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "dtype") and hasattr(value, "item") and not getattr(value, "ndim", 1):
        value = float(str(value)) if is_narrow(value.dtype) else value.item()
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if is_array(value) or isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    return value


def text(value: Any) -> str:
    """One value as a cell: nothing for None and NaN, JSON for what has parts."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind in _PARTED:
        return _PARTS.encode(value)
    if value is None or kind.__name__ in ("NAType", "NaTType"):
        return ""
    if kind is float or isinstance(value, float) or hasattr(value, "is_integer"):
        return "" if math.isnan(value) else str(value)
    if kind is bytes:
        return str(value, "utf-8", "backslashreplace")
    if is_array(value) and value.ndim > 0:
        value = value.tolist()
    if isinstance(value, (list, tuple, dict)):
        return _PARTS.encode(value)
    return str(value)


def _told(value: Any) -> Any:
    if isinstance(value, bytes):
        return str(value, "utf-8", "backslashreplace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


# Made once: to make an encoder takes longer than most values do.
_PARTS = json.JSONEncoder(default=str)
_JSON = json.JSONEncoder(default=_told, ensure_ascii=False, allow_nan=False, check_circular=False)
_LINES = json.JSONEncoder(
    default=_told,
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
    separators=("\n", ": "),
)


def as_json(value: Any) -> str:
    """A plain value as JSON on one line. What JSON has no word for is told in text: infinity
    as a string, times in ISO 8601."""
    try:
        return _JSON.encode(value)
    except ValueError:  # an infinity in it
        return json.dumps(_finite(value), default=_told, ensure_ascii=False)


def as_jsons(column: Sequence[Any]) -> list[str]:
    """Each plain value of a column as JSON: all in one go, then cut at what stands between
    them. Where one of them has that in itself, there are too many pieces."""
    try:
        if _PARTED.isdisjoint(map(type, column)):  # in JSON, a line break is written as \\n
            texts = _LINES.encode(column)[1:-1].split("\n")
        else:
            texts = _JSON.encode([{"": value} for value in column])[6:-2].split('}, {"": ')
    except ValueError:
        texts = []
    return texts if len(texts) == len(column) else list(map(as_json, column))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value
