"""Where a unit's rows gather until they are written: as lines one after another, or as a
Parquet file, which is written in one go."""

from __future__ import annotations

import io
from typing import Any

from .cells import plains
from .rows import Form, Lines
from .tables import BadReturn, Table

_NULL = "null"
_INTEGER = "int64"
_NUMBER = "double"


class Unwritable(Exception):
    """No row can be written in this form here; the message says why."""


class Sink:
    """Rows as they stand in the output, in order. `types` is empty where the form has none."""

    def __init__(self) -> None:
        self.rows = 0
        self.columns: tuple[str, ...] = ()
        self.types: tuple[str, ...] = ()
        self._content = bytearray()

    def take(self, lines: Lines) -> int:
        """Keep a mini-batch's rows; how many bytes of the content they are. Raises BadReturn
        and keeps nothing when they do not fit the earlier ones."""
        self._content += lines.content
        self.rows += lines.rows
        self.columns = lines.columns
        return len(lines.content)

    def content(self) -> bytearray | bytes:
        """All that was taken; empty without rows."""
        return self._content


class ParquetSink(Sink):
    """A Parquet file of the unit's rows, by the environment's own pyarrow."""

    def __init__(self) -> None:
        super().__init__()
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise Unwritable(
                "Parquet output needs pyarrow in the deployment's environment "
                f"({error}): add it to the conda file, or choose another outputFormat."
            ) from None
        self._arrow = pyarrow
        self._tables: list[Any] = []

    def take(self, lines: Lines) -> int:
        """The bytes of single mini-batches cannot be told apart in a Parquet file: 0."""
        if lines.table is not None:
            arrays = self._arrays(lines.table)
            self.types = self._joined_types(lines.columns, [str(each.type) for each in arrays])
            self._tables.append(arrays)
        self.rows += lines.rows
        self.columns = lines.columns
        return 0

    def content(self) -> bytes:
        if not self.rows:
            return b""
        arrow = self._arrow
        columns = []
        for at in range(len(self.columns)):
            wanted = next(t[at].type for t in self._tables if str(t[at].type) == self.types[at])
            pieces = [table[at].cast(wanted, safe=False) for table in self._tables]
            columns.append(arrow.chunked_array(pieces, type=wanted))
        whole = arrow.Table.from_arrays(columns, names=list(self.columns))
        file = io.BytesIO()
        arrow.parquet.write_table(whole, file)
        return file.getvalue()

    def _arrays(self, table: Table) -> list[Any]:
        arrays = []
        for name, values in zip(table.names, table.columns):  # noqa: B905 - Python 3.9
            try:
                arrays.append(self._arrow.array(plains(values), from_pandas=True))
            except (self._arrow.ArrowException, OverflowError, TypeError) as error:
                raise BadReturn(
                    f"the column {name} cannot be written as Parquet: {error}"
                ) from None
        return arrays

    def _joined_types(self, columns: tuple[str, ...], types: list[str]) -> tuple[str, ...]:
        if not self.types:
            return tuple(types)
        joined = []
        for name, earlier, later in zip(columns, self.types, types):  # noqa: B905
            both = joined_type(earlier, later)
            if both is None:
                raise BadReturn(
                    f"run() returned {later} in the column {name}, where earlier rows of this "
                    f"output have {earlier}"
                )
            joined.append(both)
        return tuple(joined)


def joined_type(one: str, other: str) -> str | None:
    """The type that holds values of both, as the output's reader joins them; None: neither
    does. A column without any value fits everything, whole numbers fit other numbers."""
    if other in (one, _NULL):
        return one
    if one == _NULL:
        return other
    return _NUMBER if {one, other} == {_INTEGER, _NUMBER} else None


def sink_of(form: Form) -> Sink:
    """Raises Unwritable."""
    return ParquetSink() if form.name == "parquet" else Sink()
