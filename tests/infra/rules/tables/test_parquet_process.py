"""The first rows of Parquet files, by a process of its own."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow
import pyarrow.parquet

from domain.ports.records.table_rows import TableRows
from infra.rules.tables.parquet_process import ParquetProcess, installed
from tests.kit.waiting import PATIENCE


def written(table: Any) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, row_group_size=2)
    return file.getvalue()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 1000):
        yield content[at : at + 1000]


async def first(content: bytes, most: int) -> TableRows:
    reader = ParquetProcess(installed("pyarrow"), patience=PATIENCE)
    return await reader.first(pieces(content), most)


async def test_the_first_rows_are_read_over_row_groups_as_json_has_them() -> None:
    table = pyarrow.table(
        {
            "name": ["a", None, "c", "d"],
            "score": [0.5, float("nan"), 2.0, 3.0],
            "at": [datetime(2026, 1, 2, tzinfo=UTC)] * 4,
            "price": [Decimal("1.50")] * 4,
            "raw": [b"\x00\xff"] * 4,
            "boxes": [[1, 2], [], None, [3]],
        }
    )
    found = await first(written(table), 3)
    assert found.columns == ["name", "score", "at", "price", "raw", "boxes"]
    when = "2026-01-02 00:00:00+00:00"
    assert found.rows == [
        ["a", 0.5, when, "1.50", "00ff", [1, 2]],
        [None, "nan", when, "1.50", "00ff", []],
        ["c", 2.0, when, "1.50", "00ff", None],
    ]
    assert found.why is None


async def test_what_is_no_parquet_file_has_no_rows_and_says_why() -> None:
    good = written(pyarrow.table({"a": [1, 2, 3]}))
    found = await first(good[:-20] + b"\xff" * 12 + good[-8:], 3)
    assert (found.columns, found.rows) == (None, [])
    assert "could not be read" in (found.why or "")


async def test_where_there_is_no_library_it_is_said() -> None:
    found = await ParquetProcess(None, patience=PATIENCE).first(pieces(b""), 3)
    assert (found.columns, found.rows) == (None, [])
    assert "pyarrow" in (found.why or "")
    assert installed("no_such_package_is_here") is None
