"""The footer as pyarrow writes it, and as nobody should."""

import contextlib
import functools
import io
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from domain.jobs.planning.parquet_footer import TAIL, footer_length, rows_in
from domain.jobs.planning.row_formats import RowsUnreadable


def written(rows: int, **how: Any) -> bytes:
    table = pa.table(
        {
            "number": list(range(rows)),
            "text": [f"t{n}" for n in range(rows)],
            "list": [[n, n + 1] for n in range(rows)],
            "flag": [n % 2 == 0 for n in range(rows)],
            "amount": [n / 3 for n in range(rows)],
        },
        metadata={"who": "me", "what": "x" * 300},
    )
    file = io.BytesIO()
    parquet.write_table(table, file, **how)
    return file.getvalue()


@functools.cache
def four_groups() -> bytes:
    return written(40, row_group_size=10)


def footer_of(content: bytes) -> bytes:
    length = footer_length(content[-TAIL:], len(content), "x")
    return content[-TAIL - length : -TAIL]


@pytest.mark.parametrize("rows", [0, 1, 1000])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"row_group_size": 7},
        {"version": "1.0", "compression": "gzip"},
        {"write_statistics": False, "use_dictionary": False},
        {"write_page_index": True, "store_schema": False, "row_group_size": 100},
        {"sorting_columns": [parquet.SortingColumn(0)]},
    ],
)
def test_the_rows_are_as_many_as_were_written(rows: int, how: dict[str, Any]) -> None:
    assert rows_in(footer_of(written(rows, **how)), "x") == rows


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1",
        b"PAR1PAR1",
        b"x" * 100,
        b"PAR1" + b"\xff\xff\xff\xffPAR1",
        b"1234\x04\0\0\0PARE",
    ],
)
def test_what_is_no_parquet_file_is_refused(content: bytes) -> None:
    with pytest.raises(RowsUnreadable, match=r"no Parquet file|encrypted"):
        footer_length(content[-TAIL:], len(content), "x")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_footer_is_refused_or_read_and_never_more(data: st.DataObject) -> None:
    footer = bytearray(footer_of(four_groups()))
    for _ in range(data.draw(st.integers(1, 4))):
        footer[data.draw(st.integers(0, len(footer) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(footer)))
    with contextlib.suppress(RowsUnreadable):
        assert rows_in(bytes(footer[:cut] if data.draw(st.booleans()) else footer), "x") >= 0


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read_and_never_more(content: bytes) -> None:
    with contextlib.suppress(RowsUnreadable):
        assert rows_in(content, "x") >= 0
