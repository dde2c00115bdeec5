"""From what `run(mini_batch)` returned to rows as they stand in the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import formulas, lines
from .inputs import Input
from .provenance import attributed
from .pyfunc.predictions import Predictions
from .tables import Table, aligned, from_dataframe, has_dataframes, is_dataframe, read


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
    `provenance`: whether FILE and ROW stand before the script's own columns; `escape_formulas`:
    whether csv has an apostrophe before what a spreadsheet program would run."""

    name: str
    provenance: bool = True
    escape_formulas: bool = False


def render(
    result: Any,
    inputs: Sequence[Input],
    paths: Sequence[str],
    form: Form,
    columns: tuple[str, ...] = (),
) -> Lines:
    """What was `given`, in the output's format. `columns` are those of the unit's earlier rows,
    which these must fit where the format has columns. Raises BadReturn."""
    if result is None:
        return Lines(0, 0, columns, b"")
    returned = len(result)
    if form.name == "summary_only":
        return Lines(returned, returned, columns, b"")
    if form.name == "text":
        rows, text = _text(result)
        return Lines(returned, rows, columns, _encoded(text))
    table, sizes = read(result)
    if form.provenance:
        table = attributed(table, sizes, inputs, paths)
    if form.name == "jsonl":
        return Lines(returned, table.rows, (), _encoded(lines.objects(table)))
    if not table.rows:
        return Lines(returned, 0, columns, b"")
    if form.name == "csv" and form.escape_formulas:
        table = formulas.escaped(table)
    table = aligned(table, columns or table.names)
    named = tuple(table.names)
    if form.name == "parquet":
        return Lines(returned, table.rows, named, b"", table)
    return Lines(returned, table.rows, named, _encoded(lines.csv(table)))


def _text(result: Any) -> tuple[int, str]:
    """Azure's append_row: DataFrame rows spaced, every other element one str(); of an MLflow model
    without a script, row, prediction and file name as CSV."""
    if isinstance(result, Predictions):
        told = result.told()
        return told.rows, lines.csv(told)
    if is_dataframe(result):
        result = [result]
    elif not has_dataframes(result):
        return len(result), lines.strings(result)
    rows = 0
    parts: list[str] = []
    for each in result:
        if is_dataframe(each):
            table = from_dataframe(each)
            rows += table.rows
            parts.append(lines.spaced(table))
        else:
            rows += 1
            parts.append(f"{each!s}\n")
    return rows, "".join(parts)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
