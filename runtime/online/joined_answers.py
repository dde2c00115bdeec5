"""What a model says to a joined table, cut into what it says to each; and whether two answers are
one."""

from __future__ import annotations

import math
from typing import Any

from . import typed

_ROUNDING = 1e-5
"""By which answers may differ where a library adds up in another order, as it may for another
number of rows."""


def parts_of(result: Any, counts: list[int]) -> list[Any] | None:
    """Of `counts` rows each, in order. None for a result that is not of one value for each row."""
    total = sum(counts)
    if isinstance(result, dict):
        cut = {name: parts_of(value, counts) for name, value in result.items()}
        if not cut or any(parts is None for parts in cut.values()):
            return None
        return [
            {name: parts[place] for name, parts in cut.items() if parts is not None}
            for place in range(len(counts))
        ]
    rows = getattr(result, "iloc", result)
    is_array = bool(getattr(result, "shape", ()))
    if not is_array and not (isinstance(result, list) and all(map(_is_value, result))):
        return None
    if len(result) != total:
        return None
    parts, start = [], 0
    for count in counts:
        parts.append(rows[start : start + count])
        start += count
    return parts


def same(one: Any, other: Any) -> bool:
    """But for rounding. What no answer can say is the same as nothing."""
    try:
        return _alike(typed.plain(one), typed.plain(other))
    except (TypeError, ValueError, RecursionError):
        return False


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other)  # noqa: B905 - `strict` needs Python 3.10
        return len(one) == len(other) and all(_alike(a, b) for a, b in pairs)
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
    return type(one) is type(other) and bool(one == other)


def _is_value(item: Any) -> bool:
    return item is None or isinstance(item, (str, bool, int, float))
