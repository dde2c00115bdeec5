"""What `run(mini_batch)` returned, as one table. DataFrames and arrays are known by their
shape: neither pandas nor numpy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from .cells import is_array, is_narrow, listed, native, plains

PREDICTION = "prediction"

# What Python's own are is told from their types alone, far quicker than by asking each value.
_SCALARS = frozenset((int, float, str, bool, type(None)))
_ROWS = frozenset((dict, list, tuple))


class BadReturn(Exception):
    """What `run` returned is not rows; the message says why."""


class Table(NamedTuple):
    """Columns of `rows` values each, under `names`."""

    names: list[str]
    columns: list[Sequence[Any]]
    rows: int

    def without(self, at: int) -> Table:
        """Less the column there."""
        names = self.names[:at] + self.names[at + 1 :]
        return Table(names, self.columns[:at] + self.columns[at + 1 :], self.rows)


def given(result: Any) -> Any:
    """What `run` gave as what can be gone through more than once: the list of its elements,
    a DataFrame, or None. Raises BadReturn for anything else."""
    if result is None or isinstance(result, list) or is_dataframe(result):
        return result
    if is_array(result):
        if result.ndim == 0:
            raise BadReturn("run() must return a list, an array or a DataFrame, not one number")
        return listed(result)
    if isinstance(result, (str, bytes, dict)) or not hasattr(result, "__iter__"):
        kind = type(result).__name__
        raise BadReturn(f"run() must return a list, an array or a DataFrame, not {kind}")
    return list(result)


def read(result: Any) -> tuple[Table, list[int] | None]:
    """What was `given` as one table, and how many rows each table in it has, if it is a list
    of tables. Raises BadReturn."""
    if is_dataframe(result):
        return from_dataframe(result), None
    values, kinds = native(result)
    if kinds <= _SCALARS:
        return Table([PREDICTION], [values], len(values)), None
    if dict in kinds or not _are_tables(values):
        return _from_elements(values), None
    tables = [
        from_dataframe(each) if is_dataframe(each) else _from_elements(given(each))
        for each in values
    ]
    filled = [table for table in tables if table.rows]
    if not filled:
        return Table([], [], 0), [0] * len(tables)
    names = filled[0].names
    parts = zip(*(aligned(table, names).columns for table in filled))  # noqa: B905
    sizes = [table.rows for table in tables]
    return Table(names, [list(chain.from_iterable(part)) for part in parts], sum(sizes)), sizes


def aligned(table: Table, names: Sequence[str]) -> Table:
    """The table with its columns in the order of `names`. Raises BadReturn for others."""
    if table.names == list(names):
        return table
    if sorted(table.names) != sorted(names) or len(set(names)) < len(names):
        raise BadReturn(
            f"run() returned the columns {', '.join(table.names)}, where earlier rows of this "
            f"output have {', '.join(names)}"
        )
    columns = [table.columns[table.names.index(name)] for name in names]
    return Table(list(names), columns, table.rows)


def is_dataframe(value: Any) -> bool:
    return hasattr(value, "columns") and (hasattr(value, "iloc") or hasattr(value, "iter_rows"))


def has_dataframes(values: Sequence[Any]) -> bool:
    kinds = set(map(type, values))
    return not kinds <= _SCALARS | _ROWS and any(map(is_dataframe, values))


def from_dataframe(frame: Any) -> Table:
    names = [str(name) for name in frame.columns]
    if hasattr(frame, "iter_rows"):  # polars
        return _from_rows(names, list(frame.iter_rows()))
    columns = [_column(frame.iloc[:, number]) for number in range(len(names))]
    return Table(names, columns, len(columns[0]) if columns else 0)


def _column(series: Any) -> Sequence[Any]:
    if is_narrow(series.dtype):
        return plains(list(series.to_numpy()))
    values: Sequence[Any] = series.tolist()
    return values


def _from_rows(names: list[str], rows: Sequence[Sequence[Any]]) -> Table:
    columns: list[Sequence[Any]] = list(zip(*rows))  # noqa: B905 - `strict` needs Python 3.10
    return Table(names, columns or [()] * len(names), len(rows))


def _from_elements(values: Sequence[Any]) -> Table:
    """One row for each value: a scalar, a dict, or a list, tuple or array of cells."""
    first = next((value for value in values if value is not None), None)
    if _is_mapping(first):
        return _from_dicts(values)
    if _is_cells(first):
        return _from_cells(values)
    if any(_is_mapping(value) or _is_cells(value) for value in values):
        raise BadReturn("run() returned rows of different kinds in one list")
    return Table([PREDICTION], [values], len(values))


def _from_dicts(values: Sequence[Any]) -> Table:
    names: dict[Any, Any] = {}
    rows: list[dict[Any, Any]] = []
    for value in values:
        if isinstance(value, dict):
            row = value
        elif value is None:
            row = {}
        elif _is_mapping(value):
            row = value.to_dict()
        else:
            raise BadReturn("run() returned rows of different kinds in one list")
        names.update(row)
        rows.append(row)
    columns: list[Sequence[Any]] = [[row.get(name) for row in rows] for name in names]
    return Table(list(map(str, names)), columns, len(rows))


def _from_cells(values: Sequence[Any]) -> Table:
    rows: list[Sequence[Any] | None] = []
    width: int | None = None
    for value in values:
        if value is None:
            rows.append(None)
            continue
        if not _is_cells(value):
            raise BadReturn("run() returned rows of different kinds in one list")
        row = value if isinstance(value, (list, tuple)) else listed(value)
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
    return _from_rows(names, [empty if row is None else row for row in rows])


def _are_tables(values: Sequence[Any]) -> bool:
    """Whether each is a table of its own: a DataFrame, or a list of rows, of which some may
    have none."""
    return any(map(_is_table, values)) and all(
        _is_table(value) or (isinstance(value, (list, tuple)) and not value) for value in values
    )


def _is_table(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        kinds = set(map(type, value))
        if kinds <= _ROWS:
            return bool(value)
        return kinds.isdisjoint(_SCALARS) and all(_is_mapping(v) or _is_cells(v) for v in value)
    if is_array(value):
        return bool(value.ndim > 1)
    return is_dataframe(value)


def _is_mapping(value: Any) -> bool:
    # A pandas Series is one row by name, as in `[frame.iloc[0] for ...]`.
    return isinstance(value, dict) or (hasattr(value, "to_dict") and hasattr(value, "index"))


def _is_cells(value: Any) -> bool:
    """Whether it is one row's cells (or, as an element of a list of rows, a list of those)."""
    return isinstance(value, (list, tuple)) or (is_array(value) and value.ndim > 0)
