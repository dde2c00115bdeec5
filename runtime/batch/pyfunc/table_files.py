"""Tables in files, as DataFrames of a bounded number of rows with the types that the model's
signature has. pandas, and pyarrow for Parquet, are the model's own."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from typing import Any

from ...online.signature import Field, Signature
from .unscorable import Unscorable

ROWS = 65_536
"""Of a file at most so many are in memory at a time, and are given to the model."""
SUFFIXES = (".csv", ".tsv", ".parquet", ".pqt", ".jsonl", ".ndjson")

_DTYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
}


def read(path: str, signature: Signature | None) -> Iterator[Any]:
    """The table's rows in order, in one DataFrame or several. Raises Unscorable."""
    suffix = os.path.splitext(path)[1].lower()
    fields = signature.inputs if signature is not None and not signature.is_tensor else ()
    if suffix in (".csv", ".tsv"):
        tables = _separated(path, "\t" if suffix == ".tsv" else ",", fields)
    elif suffix in (".parquet", ".pqt"):
        tables = _parquet(path)
    else:
        tables = _lines(path)
    name = os.path.basename(path)
    while True:
        try:
            table = next(tables, None)
        except Unscorable:
            raise
        except (ValueError, TypeError, OSError, ArithmeticError, LookupError) as error:
            # What pandas and pyarrow raise of a file that is none of theirs is among these.
            told = " ".join(str(error).split())[:500]
            raise Unscorable(f"{name} cannot be read as {suffix}: {told}") from None
        if table is None:
            return
        yield _typed(table, fields, name)


def _separated(path: str, separator: str, fields: tuple[Field, ...]) -> Iterator[Any]:
    import pandas

    # A blank in a column that may have some would fail to be a number of a fixed type.
    dtypes: dict[str, Any] = {
        field.name: _DTYPES[field.type]
        for field in fields
        if field.type in _DTYPES and (field.required or field.type in ("float", "double"))
    }
    dtypes.update({field.name: str for field in fields if field.type == "string"})
    with pandas.read_csv(path, sep=separator, dtype=dtypes, chunksize=ROWS) as tables:
        yield from tables


def _parquet(path: str) -> Iterator[Any]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise Unscorable(
            f"{os.path.basename(path)}: pyarrow, which reads Parquet, is not among the model's "
            "packages: add it to its conda.yaml or requirements.txt, and register it again."
        ) from None
    with parquet.ParquetFile(path) as file:
        # A bounded number of rows of one row group at a time.
        for batch in file.iter_batches(batch_size=ROWS):
            yield batch.to_pandas()


def _lines(path: str) -> Iterator[Any]:
    import pandas

    rows: list[Any] = []
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} is no JSON: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no JSON object")
            rows.append(row)
            if len(rows) == ROWS:
                yield pandas.DataFrame(rows)
                rows = []
    if rows:
        yield pandas.DataFrame(rows)


def _typed(table: Any, fields: tuple[Field, ...], name: str) -> Any:
    """With the signature's columns of its types, where no value becomes another by it."""
    changed = {}
    for field in fields:
        if field.name not in table.columns:
            continue  # MLflow says so of one that is needed
        column = table[field.name]
        try:
            changed[field.name] = _column(column, field)
        except (ValueError, TypeError, OverflowError) as error:
            told = " ".join(str(error).split())[:300]
            raise Unscorable(
                f"{name}: the column {field.name!r} is not {field.type}: {told}"
            ) from None
    return table.assign(**changed) if changed else table


def _column(column: Any, field: Field) -> Any:
    if field.type == "datetime":
        import pandas

        return pandas.to_datetime(column)
    if field.type == "binary":
        return column.map(_bytes)
    wanted = _DTYPES.get(field.type)
    if wanted is None or column.dtype == wanted:
        return column
    blanks = bool(column.isna().any())
    if blanks and not wanted.startswith("float"):
        if field.required:
            raise ValueError("it has blanks")
        return column
    if wanted == "bool" and column.dtype.kind not in "bO":
        raise ValueError("it has numbers")
    cast = column.astype(wanted)
    if not wanted.startswith("float") and not (cast == column).all():
        raise ValueError("it has values that would become others")
    return cast


def _bytes(value: Any) -> Any:
    """As JSON and CSV have it, in base64; Parquet has bytes themselves."""
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def as_tensor(table: Any, field: Field) -> Any:
    """All columns of a table as the only tensor of a model. Raises ValueError."""
    array = table.to_numpy()
    if field.dtype:
        array = array.astype(field.dtype)
    rest = field.shape[1:]
    return array.reshape((len(table), *rest)) if len(rest) > 1 and min(rest) > 0 else array
