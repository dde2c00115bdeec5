"""What `run(mini_batch)` returned, as one table. DataFrames and arrays are known by their
shape: neither pandas nor numpy is imported."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

PREDICTION = "prediction"

_SCALARS = frozenset((int, float, str, bool, type(None)))


class BadReturn(Exception):
    """What `run` returned is not rows; the message says what is."""


class Table(NamedTuple):
    """Rows of equal width under `columns`."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def is_dataframe(value: Any) -> bool:
    return hasattr(value, "columns") and (hasattr(value, "iloc") or hasattr(value, "iter_rows"))


def is_array(value: Any) -> bool:
    return hasattr(value, "ndim") and hasattr(value, "tolist") and not hasattr(value, "columns")


def elements(result: Any) -> list[Any]:
    """The elements of a list, tuple, array or series. Raises BadReturn for anything else."""
    if isinstance(result, list):
        return result
    if isinstance(result, (tuple, set, frozenset)):
        return list(result)
    if is_array(result):
        if result.ndim == 0:
            raise BadReturn("run() must return a list, an array or a DataFrame, not one number")
        # Where Python's own value is the same to the bit, in every format: it costs less.
        return result.tolist() if _is_plain(result) else list(result)
    if isinstance(result, (str, bytes, dict)) or not hasattr(result, "__iter__"):
        kind = type(result).__name__
        raise BadReturn(f"run() must return a list, an array or a DataFrame, not {kind}")
    return list(result)


def _is_plain(array: Any) -> bool:
    kind = getattr(array.dtype, "kind", "O")
    whole = kind in "if" and array.dtype.itemsize == 8
    return array.ndim == 1 and (whole or kind == "b")


def from_dataframe(frame: Any) -> Table:
    names = [str(name) for name in frame.columns]
    if hasattr(frame, "iter_rows"):  # polars
        return Table(names, [tuple(row) for row in frame.iter_rows()])
    columns = [_column(frame.iloc[:, number]) for number in range(len(names))]
    return Table(names, list(zip(*columns)))  # noqa: B905 - `strict` needs Python 3.10


def _column(series: Any) -> list[Any]:
    kind = getattr(series.dtype, "kind", "O")
    if kind == "f" and series.dtype.itemsize < 8:
        return [plain(value) for value in series.to_numpy()]
    return list(series.tolist())


def from_elements(values: Sequence[Any]) -> Table:
    """One row for each value: a scalar, a dict, or a list, tuple or array of cells."""
    if are_scalars(values):
        return Table([PREDICTION], [(value,) for value in values])
    first = next((value for value in values if value is not None), None)
    if _is_mapping(first):
        return _from_dicts(values)
    if is_cells(first):
        return _from_cells(values)
    if any(_is_mapping(value) or is_cells(value) for value in values):
        raise BadReturn("run() returned rows of different kinds in one list")
    return Table([PREDICTION], [(value,) for value in values])


def are_scalars(values: Sequence[Any]) -> bool:
    """Whether all are Python's own scalars: told from the types alone, far quicker than by
    asking each value what it is. False means nothing."""
    return _SCALARS.issuperset(map(type, values))


def is_cells(value: Any) -> bool:
    """Whether it is one row's cells (or, as an element of a list of rows, a list of those)."""
    return isinstance(value, (list, tuple)) or (is_array(value) and value.ndim > 0)


def is_rows(value: Any) -> bool:
    """Whether it is a table of its own: a DataFrame, or a list of rows."""
    if is_dataframe(value):
        return True
    if is_array(value):
        return bool(value.ndim > 1)
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(_is_mapping(row) or is_cells(row) for row in value)


def is_empty(value: Any) -> bool:
    """Whether it is a table without rows, where tables are expected."""
    return isinstance(value, (list, tuple)) and not value


def _is_mapping(value: Any) -> bool:
    # A pandas Series is one row by name, as in `[frame.iloc[0] for ...]`.
    return isinstance(value, dict) or (hasattr(value, "to_dict") and hasattr(value, "index"))


def _from_dicts(values: Sequence[Any]) -> Table:
    columns: dict[Any, None] = {}
    rows: list[dict[Any, Any]] = []
    for value in values:
        if value is None:
            row: dict[Any, Any] = {}
        elif _is_mapping(value):
            row = value if isinstance(value, dict) else value.to_dict()
        else:
            raise BadReturn("run() returned rows of different kinds in one list")
        columns.update(dict.fromkeys(row))
        rows.append(row)
    names = list(columns)
    return Table([str(name) for name in names], [tuple(map(row.get, names)) for row in rows])


def _from_cells(values: Sequence[Any]) -> Table:
    rows: list[tuple[Any, ...] | None] = []
    width: int | None = None
    for value in values:
        if value is None:
            rows.append(None)
            continue
        if not is_cells(value):
            raise BadReturn("run() returned rows of different kinds in one list")
        row = tuple(value)
        if width is None:
            width = len(row)
        elif len(row) != width:
            raise BadReturn(
                f"run() returned rows of {width} and of {len(row)} cells in one list; to give "
                "several rows for a file, return a DataFrame for each file"
            )
        rows.append(row)
    width = width or 0
    empty = (None,) * width
    names = [f"{PREDICTION}_{number}" for number in range(width)]
    return Table(names, [empty if row is None else row for row in rows])


def plain(value: Any) -> Any:
    """A value without numpy or pandas in it: None for NaN and other blanks, numbers of 32 bits
    as they are written, arrays as lists."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind.__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "dtype") and hasattr(value, "item") and not getattr(value, "ndim", 1):
        # As Python floats, 0.1 in 32 bits would become 0.10000000149011612.
        narrow = value.dtype.kind == "f" and value.dtype.itemsize < 8
        value = float(str(value)) if narrow else value.item()
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if is_array(value) or isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    return value


def as_json(value: Any) -> str:
    """A plain value as JSON on one line. What JSON has no word for is told in text: infinity
    as a string, times in ISO 8601."""
    try:
        return json.dumps(value, default=_told, ensure_ascii=False, allow_nan=False)
    except ValueError:  # an infinity in it
        return json.dumps(_finite(value), default=_told, ensure_ascii=False)


def _told(value: Any) -> Any:
    if isinstance(value, bytes):
        return str(value, "utf-8", "backslashreplace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def cell(value: Any) -> str:
    """One cell as text: nothing for None and NaN, JSON for what has parts."""
    kind = type(value)
    if kind is str:
        return str(value)
    if value is None or kind.__name__ in ("NAType", "NaTType"):
        return ""
    if kind is float or isinstance(value, float) or hasattr(value, "is_integer"):
        return "" if math.isnan(value) else str(value)
    if kind is bytes:
        return str(value, "utf-8", "backslashreplace")
    if is_array(value) and value.ndim > 0:
        value = value.tolist()
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, default=str)
    return str(value)
