"""From what `run(mini_batch)` returned to the lines of the output, each with the file and the
row it came from wherever that can be known."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, NamedTuple

from .inputs import Input
from .tables import (
    BadReturn,
    Table,
    are_scalars,
    as_json,
    cell,
    elements,
    from_dataframe,
    from_elements,
    is_dataframe,
    is_empty,
    is_rows,
    plain,
)

FILE = "input_file"
ROW = "input_row"

_CSV_SPECIAL = re.compile(r'[,"\r\n]')
_SPACED_SPECIAL = re.compile(r'[ "\r\n]')


class Lines(NamedTuple):
    """`returned` counts what `run` gave, `rows` the output's rows. `columns` is empty where
    the format has none. `content` are the rows as they stand in the output, but for a format
    that is written in one go: for that, `table` holds them."""

    returned: int
    rows: int
    columns: tuple[str, ...]
    content: bytes
    table: Table | None = None


class Form(NamedTuple):
    """How rows are written: csv, jsonl, parquet or text, or not at all (summary_only).
    `provenance`: whether the columns FILE and ROW stand before the script's own."""

    name: str
    provenance: bool = True


def count(result: Any) -> int:
    """Elements of a list or array, rows of a DataFrame. Raises BadReturn."""
    if result is None:
        return 0
    return len(result) if is_dataframe(result) else len(elements(result))


def render(
    result: Any,
    inputs: Sequence[Input],
    paths: Sequence[str],
    form: Form,
    columns: tuple[str, ...] = (),
) -> Lines:
    """`result` in the output's format. `columns` are those of the unit's earlier rows, which
    these must fit where the format has columns. Raises BadReturn."""
    if result is None:
        return Lines(0, 0, columns, b"")
    if not is_dataframe(result):
        result = elements(result)
    returned = len(result)
    if form.name == "summary_only":
        return Lines(returned, returned, columns, b"")
    if form.name == "text":
        lines = list(_text(result))
        return Lines(returned, len(lines), columns, _joined(lines))
    if form.provenance:
        table = _continued(_attributed(result, inputs, paths), inputs)
    else:
        table = _bare(result)
    if form.name == "jsonl":
        return Lines(returned, len(table.rows), (), _joined(list(_objects(table))))
    table = _aligned(table, columns)
    if not table.rows:
        return Lines(returned, 0, columns, b"")
    named = tuple(table.columns)
    if form.name == "parquet":
        return Lines(returned, len(table.rows), named, b"", table)
    lines = _lines(table, ",", _CSV_SPECIAL)
    return Lines(returned, len(lines), named, _joined(lines))


def _objects(table: Table) -> Iterator[str]:
    """A JSON object for each row. Two columns of one name have no place in it."""
    if len(set(table.columns)) < len(table.columns):
        raise BadReturn(f"run() returned two columns of one name: {', '.join(table.columns)}")
    for row in table.rows:
        named = zip(table.columns, row)  # noqa: B905 - `strict` needs Python 3.10
        yield as_json({name: plain(value) for name, value in named})


def _text(result: Any) -> Iterator[str]:
    """Azure's append_row: DataFrame rows spaced, every other element one str()."""
    for each in [result] if is_dataframe(result) else result:
        if is_dataframe(each):
            yield from _lines(from_dataframe(each), " ", _SPACED_SPECIAL)
        else:
            yield str(each)


def _joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


def _lines(table: Table, separator: str, special: re.Pattern[str]) -> list[str]:
    if not table.columns:
        return [""] * len(table.rows)
    columns = zip(*table.rows)  # noqa: B905 - `strict` needs Python 3.10
    texts = [_texts(column, special) for column in columns]
    return list(map(separator.join, zip(*texts)))  # noqa: B905


def _texts(column: Sequence[Any], special: re.Pattern[str]) -> Sequence[str]:
    """A column's cells as they stand in a line. Whole columns of one plain type, as most are,
    cost a fraction of what looking at each cell does."""
    kinds = set(map(type, column))
    if kinds in ({int}, {bool}):
        return list(map(str, column))
    if kinds == {float}:
        return [str(value) if value == value else "" for value in column]  # noqa: PLR0124 - NaN
    if kinds == {str} and not special.search("".join(column)):
        return column
    return [_quoted(cell(value), special) for value in column]


def _quoted(text: str, special: re.Pattern[str]) -> str:
    return '"' + text.replace('"', '""') + '"' if special.search(text) else text


def _aligned(table: Table, columns: tuple[str, ...]) -> Table:
    """The table with its columns in the order of `columns`."""
    if not columns or not table.rows or tuple(table.columns) == columns:
        return table
    if sorted(table.columns) != sorted(columns) or len(set(columns)) < len(columns):
        raise BadReturn(
            f"run() returned the columns {', '.join(table.columns)}, where earlier rows of this "
            f"output have {', '.join(columns)}"
        )
    order = [table.columns.index(name) for name in columns]
    return Table(list(columns), [tuple(row[i] for i in order) for row in table.rows])


def _bare(result: Any) -> Table:
    """The rows of `result` as they are."""
    if is_dataframe(result):
        return from_dataframe(result)
    if _is_tables(result):
        return _whole(_tables(result))
    return from_elements(result)


def _attributed(result: Any, inputs: Sequence[Input], paths: Sequence[str]) -> Table:
    """The rows of `result` with two columns before them, FILE and ROW."""
    names = [each.name for each in inputs]
    if is_dataframe(result):
        return _attributed_frame(from_dataframe(result), names, paths)
    if _is_tables(result):
        return _attributed_tables(_tables(result), names, paths)
    table = from_elements(result)
    return _with_origins(table, _origins(len(table.rows), names))


def _continued(table: Table, inputs: Sequence[Input]) -> Table:
    """With the rows of pieces numbered as those of their files, also where the script has
    numbered them: it saw the piece alone."""
    firsts = {each.name: each.first_row for each in inputs if each.first_row}
    if not firsts:
        return table
    rows = [
        (name, number + firsts.get(name, 0) if isinstance(number, Integral) else number, *rest)
        for name, number, *rest in table.rows
    ]
    return Table(table.columns, rows)


def _is_tables(result: Sequence[Any]) -> bool:
    if are_scalars(result):
        return False
    return any(map(is_rows, result)) and all(is_rows(each) or is_empty(each) for each in result)


def _tables(result: Sequence[Any]) -> list[Table]:
    """A list of tables, all with the columns of the first that has rows."""
    tables = [
        from_dataframe(each) if is_dataframe(each) else from_elements(list(each)) for each in result
    ]
    columns = next((tuple(table.columns) for table in tables if table.rows), ())
    return [_aligned(table, columns) for table in tables]


def _whole(tables: Sequence[Table]) -> Table:
    columns = next((table.columns for table in tables if table.rows), [])
    return Table(columns, [row for table in tables for row in table.rows])


def _attributed_tables(tables: list[Table], names: list[str], paths: Sequence[str]) -> Table:
    """One table for each file, if their numbers agree."""
    whole = _whole(tables)
    if FILE in whole.columns:
        return _attributed_frame(whole, names, paths)
    if len(tables) == len(names):
        origins: list[tuple[Any, Any]] = [
            (name, row)
            for name, table in zip(names, tables)  # noqa: B905 - `strict` needs Python 3.10
            for row in range(len(table.rows))
        ]
    elif len(names) == 1:
        origins = [(names[0], row) for row in range(len(whole.rows))]
    else:
        origins = [(None, None)] * len(whole.rows)
    return _with_origins(whole, origins)


def _attributed_frame(table: Table, names: list[str], paths: Sequence[str]) -> Table:
    if FILE not in table.columns:
        return _with_origins(table, _origins(len(table.rows), names))
    known = _known_files(names, paths)
    at = table.columns.index(FILE)
    seen: dict[str, int] = {}
    origins: list[tuple[Any, Any]] = []
    for row in table.rows:
        given = cell(row[at])
        name = known.get(given, given)
        number = seen.get(name, 0)
        seen[name] = number + 1
        origins.append((name, number))
    return _with_origins(_without(table, at), origins)


def _known_files(names: list[str], paths: Sequence[str]) -> dict[str, str]:
    """What a script may call each file, to its name. A base name that two files share is
    neither's."""
    known: dict[str, str] = {}
    shared: set[str] = set()
    for name, path in zip(names, paths):  # noqa: B905 - `strict` needs Python 3.10
        base = os.path.basename(path)
        if base in known:
            shared.add(base)
        known[base] = name
    for base in shared:
        del known[base]
    known.update(zip(names, names))  # noqa: B905
    known.update(zip(paths, names))  # noqa: B905
    return known


def _origins(rows: int, names: list[str]) -> list[tuple[Any, Any]]:
    if len(names) == 1:
        return [(names[0], row) for row in range(rows)]
    if rows == len(names):
        return [(name, 0) for name in names]
    return [(None, None)] * rows


def _with_origins(table: Table, origins: list[tuple[Any, Any]]) -> Table:
    if ROW in table.columns:  # the script numbers its rows itself
        at = table.columns.index(ROW)
        pairs = zip(origins, table.rows)  # noqa: B905 - `strict` needs Python 3.10
        origins = [(origin[0], row[at]) for origin, row in pairs]
        table = _without(table, at)
    if FILE in table.columns:
        raise BadReturn(f"run() returned the column {FILE} twice")
    pairs = zip(origins, table.rows)  # noqa: B905
    return Table([FILE, ROW, *table.columns], [origin + row for origin, row in pairs])


def _without(table: Table, at: int) -> Table:
    columns = table.columns[:at] + table.columns[at + 1 :]
    return Table(columns, [row[:at] + row[at + 1 :] for row in table.rows])
