"""A table as lines of text: CSV, JSON objects, or a DataFrame as Azure's append_row has it.
The lines of a table are filled into one template, all at once."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Union

from . import cells
from .tables import BadReturn, Table

_Cells = Union[str, Sequence[Any]]  # noqa: UP007 - `|` needs Python 3.10
"""A column's cells, each as `%s` will write it; or the text that all of its rows have."""

_BLANK = type(None)


class _Dialect(NamedTuple):
    separator: str
    special: str
    """Characters that a cell is quoted for."""


_CSV = _Dialect(",", ',"\r\n')
_SPACED = _Dialect(" ", ' "\r\n')


def csv(table: Table) -> str:
    return _separated(table, _CSV)


def spaced(table: Table) -> str:
    return _separated(table, _SPACED)


def objects(table: Table) -> str:
    """Raises BadReturn for two columns of one name, which have no place in an object."""
    if len(set(table.names)) < len(table.names):
        raise BadReturn(f"run() returned two columns of one name: {', '.join(table.names)}")
    names = [_escaped(cells.as_json(name)) for name in table.names]
    columns = list(map(_as_json, table.columns))
    pairs = [f"{name}: {_place(each)}" for name, each in zip(names, columns)]  # noqa: B905
    return _filled("{" + ", ".join(pairs) + "}\n", columns, table.rows)


def strings(values: Sequence[Any]) -> str:
    """Each as `str` has it."""
    return _filled("%s\n", [values], len(values))


def _separated(table: Table, dialect: _Dialect) -> str:
    columns = [_as_text(column, dialect) for column in table.columns]
    return _filled(dialect.separator.join(map(_place, columns)) + "\n", columns, table.rows)


def _filled(template: str, columns: Sequence[_Cells], rows: int) -> str:
    """The template for each row, with its cells: numbers are written without a string being
    made of each."""
    varied = [column for column in columns if not isinstance(column, str)]
    woven: list[Any] = [None] * (rows * len(varied))
    for number, column in enumerate(varied):
        woven[number :: len(varied)] = column
    return template * rows % tuple(woven)


def _place(column: _Cells) -> str:
    return _escaped(column) if isinstance(column, str) else "%s"


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _as_text(column: Sequence[Any], dialect: _Dialect) -> _Cells:
    column, kinds = cells.native(column)
    # A sum with a NaN in it is one.
    if kinds in ({int}, {bool}) or (kinds == {float} and not math.isnan(sum(column))):
        return column
    if _is_uniform(column, kinds):
        return _quoted([cells.text(column[0])], dialect)[0]
    return _quoted(column if kinds == {str} else list(map(cells.text, column)), dialect)


def _quoted(texts: Sequence[str], dialect: _Dialect) -> Sequence[str]:
    whole = "".join(texts)
    if not any(character in whole for character in dialect.special):
        return texts
    is_special = re.compile(f"[{dialect.special}]").search
    return ['"' + t.replace('"', '""') + '"' if is_special(t) else t for t in texts]


def _as_json(column: Sequence[Any]) -> _Cells:
    column, kinds = cells.native(column)
    if kinds == {int} or (kinds == {float} and math.isfinite(sum(column))):
        return column
    if _is_uniform(column, kinds):
        return cells.as_json(column[0])
    return cells.as_jsons(cells.plains(column))


def _is_uniform(column: Sequence[Any], kinds: set[type]) -> bool:
    """Surely of one value, as where all rows are of one file, or of none that is known."""
    return kinds == {_BLANK} or (kinds == {str} and column.count(column[0]) == len(column))
