"""A unit's rows gathered for the output."""

import io
import sys
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from runtime.batch.inputs import Input
from runtime.batch.rows import Form, render
from runtime.batch.sinks import ParquetSink, Sink, Unwritable, sink_of
from runtime.batch.tables import BadReturn

FORM = Form("parquet")


def take(sink: Sink, result: Any, form: Form = FORM) -> int:
    inputs = [Input("in/a.csv", "file:///a.csv")]
    return sink.take(render(result, inputs, ["/a.csv"], form, sink.columns))


def test_lines_say_how_many_bytes_are_each_mini_batchs() -> None:
    form = Form("csv")
    sink = sink_of(form)
    assert [take(sink, ["x"], form), take(sink, ["yz"], form), take(sink, [], form)] == [13, 14, 0]
    assert bytes(sink.content()) == b"in/a.csv,0,x\nin/a.csv,0,yz\n"
    assert (sink.rows, sink.columns) == (2, ("input_file", "input_row", "prediction"))


def test_a_parquet_file_keeps_types_and_nulls() -> None:
    sink = sink_of(FORM)
    frame = pd.DataFrame(
        {
            "i": np.array([1, 2], dtype="int32"),
            "f": np.array([0.1, np.nan], dtype="float32"),
            "s": ["x", None],
            "t": pd.to_datetime(["2026-01-02", None]),
        }
    )
    take(sink, frame)
    assert sink.types == ("string", "int64", "int64", "double", "string", "timestamp[us]")
    found = pq.read_table(io.BytesIO(sink.content())).drop(["t"]).to_pylist()
    assert found == [
        {"input_file": "in/a.csv", "input_row": 0, "i": 1, "f": 0.1, "s": "x"},
        {"input_file": "in/a.csv", "input_row": 1, "i": 2, "f": None, "s": None},
    ]


def test_mini_batches_of_a_unit_are_joined_by_name_and_type() -> None:
    sink = ParquetSink()
    take(sink, [{"a": None, "b": 2**60}])
    take(sink, [{"b": 0.5, "a": "x"}])
    with pytest.raises(BadReturn, match="int64 in the column a"):
        take(sink, [{"a": 3, "b": 1}])
    with pytest.raises(BadReturn, match="earlier rows"):
        take(sink, [{"c": 3}])
    assert sink.types[2:] == ("string", "double")
    assert pq.read_table(io.BytesIO(sink.content())).num_rows == sink.rows == 2


def test_a_column_of_mixed_values_is_refused() -> None:
    with pytest.raises(BadReturn, match="the column prediction cannot be written"):
        take(ParquetSink(), [1, "x"])


def test_no_rows_make_no_file() -> None:
    sink = ParquetSink()
    take(sink, [])
    assert sink.content() == b""


def test_without_pyarrow_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Unwritable, match="add it to the conda file"):
        sink_of(FORM)
