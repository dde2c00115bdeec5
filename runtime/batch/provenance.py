"""Which file, and which row of it, each row of the output came from, wherever that can be
known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from . import cells
from .inputs import Input
from .tables import BadReturn, Table

FILE = "input_file"
ROW = "input_row"


def attributed(
    table: Table, sizes: Sequence[int] | None, inputs: Sequence[Input], paths: Sequence[str]
) -> Table:
    """The table with two columns before its own, FILE and ROW. `sizes`: how many rows it has of
    each table that the script returned, where it returned several. Raises BadReturn."""
    names = [each.name for each in inputs]
    files, numbers = _origins(table.rows, sizes, names)
    if FILE in table.names:
        at = table.names.index(FILE)
        files, numbers = _told(table.columns[at], _known_files(names, paths))
        table = table.without(at)
    if ROW in table.names:  # the script numbers its rows itself
        at = table.names.index(ROW)
        numbers = table.columns[at]
        table = table.without(at)
    if FILE in table.names:
        raise BadReturn(f"run() returned the column {FILE} twice")
    numbers = _continued(files, numbers, inputs)
    return Table([FILE, ROW, *table.names], [files, numbers, *table.columns], table.rows)


def _origins(
    rows: int, sizes: Sequence[int] | None, names: list[str]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """One table for each file, or one row, if their numbers agree."""
    if len(names) == 1:
        return names * rows, range(rows)
    if sizes is None:
        sizes = [1] * rows
    if len(sizes) != len(names):
        return [None] * rows, [None] * rows
    pairs = zip(names, sizes)  # noqa: B905 - `strict` needs Python 3.10
    files = [name for name, size in pairs for _ in range(size)]
    return files, [row for size in sizes for row in range(size)]


def _told(given: Sequence[Any], known: dict[str, str]) -> tuple[list[str], list[int]]:
    """The script says which file."""
    seen: dict[str, int] = {}
    files: list[str] = []
    numbers: list[int] = []
    for said in map(cells.text, given):
        name = known.get(said, said)
        number = seen.get(name, 0)
        seen[name] = number + 1
        files.append(name)
        numbers.append(number)
    return files, numbers


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


def _continued(
    files: Sequence[Any], numbers: Sequence[Any], inputs: Sequence[Input]
) -> Sequence[Any]:
    """The rows of pieces numbered as those of their files, also where the script has numbered
    them: it saw the piece alone."""
    firsts = {each.name: each.first_row for each in inputs if each.first_row}
    if not firsts:
        return numbers
    return [
        number + firsts.get(file, 0) if isinstance(number, Integral) else number
        for file, number in zip(files, numbers)  # noqa: B905
    ]
