"""Text that a spreadsheet program would run: what an input file has in it may come out in the
rows, and whoever opens these is not who wrote that."""

from __future__ import annotations

from typing import Any

from . import cells
from .tables import Table

_BEGINNINGS = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - some programs take the wide ones, too
_NUMBERS = frozenset((int, float, bool, type(None)))


def escaped(table: Table) -> Table:
    """With an apostrophe before each text, and each column's name, that begins as a formula
    does. Numbers are left as they are, written as text too."""
    names = [_escaped(name) for name in table.names]
    return Table(names, [_column(each) for each in table.columns], table.rows)


def _column(column: Any) -> Any:
    column, kinds = cells.native(column)
    if kinds <= _NUMBERS:
        return column
    return [each if type(each) in _NUMBERS else _escaped(cells.text(each)) for each in column]


def _escaped(text: str) -> str:
    return f"'{text}" if text.startswith(_BEGINNINGS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
