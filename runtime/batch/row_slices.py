"""Rows of a Parquet file as a Parquet file of their own, by the pyarrow of the script's
environment."""

from __future__ import annotations

from typing import Any

from .store.lent_files import LentFile, NotLent

_ROWS = 65_536


def copy_rows(file: LentFile, first_row: int, rows: int, path: str) -> None:
    """Write `rows` rows from `first_row` on to `path`, schema and metadata as they are. Only
    the row groups that hold some are read, a bounded number of rows at a time. Raises NotLent."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise NotLent(
            "is cut by rows, and pyarrow, which does that, is not in the deployment's "
            "environment: add it to the conda file, or use miniBatchBy Files or Bytes"
        ) from None
    try:
        with file.open() as source, parquet.ParquetFile(source) as table:
            groups, skipped = _groups(table.metadata, first_row, rows)
            with parquet.ParquetWriter(path, table.schema_arrow) as writer:
                left = rows
                for batch in table.iter_batches(batch_size=_ROWS, row_groups=groups):
                    begin = min(skipped, batch.num_rows)
                    skipped -= begin
                    taken = batch.slice(begin, left)
                    left -= taken.num_rows
                    if taken.num_rows:
                        writer.write_batch(taken)
                    if not left:
                        break
    except (pyarrow.ArrowException, OSError) as error:
        raise NotLent(f"has rows that could not be read: {error}") from None
    if left:
        raise NotLent(f"lacks {left} of the {rows} rows from row {first_row} on")


def _groups(metadata: Any, first_row: int, rows: int) -> tuple[list[int], int]:
    """The row groups that hold the rows, and how many others come before them there."""
    groups: list[int] = []
    skipped = begin = 0
    for number in range(metadata.num_row_groups):
        end = begin + metadata.row_group(number).num_rows
        if begin < first_row + rows and end > first_row:
            if not groups:
                skipped = first_row - begin
            groups.append(number)
        begin = end
    return groups, skipped
