"""What `run(mini_batch)` may return, and the rows it becomes."""

import csv
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runtime.batch.inputs import Input
from runtime.batch.rows import Form, Lines, render
from runtime.batch.tables import BadReturn, given


def rendered(
    result: Any, files: int = 2, form: str = "csv", columns: tuple[str, ...] = ()
) -> Lines:
    inputs = [Input(f"in/{number}.csv", f"file:///data/{number}.csv") for number in range(files)]
    paths = [f"/data/{n}.csv" for n in range(files)]
    return render(given(result), inputs, paths, Form(form), columns)


def text(result: Any, files: int = 2, form: str = "csv") -> list[str]:
    return rendered(result, files, form).content.decode().splitlines()


FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})


@pytest.mark.parametrize(
    ("result", "files", "columns", "lines"),
    [
        # One file: its name, rows counted.
        ([1, 2.5, "x"], 1, "prediction", ["in/0.csv,0,1", "in/0.csv,1,2.5", "in/0.csv,2,x"]),
        (FRAME, 1, "a,b", ["in/0.csv,0,1,x", "in/0.csv,1,2,y", "in/0.csv,2,3,"]),
        ([FRAME], 1, "a,b", ["in/0.csv,0,1,x", "in/0.csv,1,2,y", "in/0.csv,2,3,"]),
        ([FRAME[:1], FRAME[1:]], 1, "a,b", ["in/0.csv,0,1,x", "in/0.csv,1,2,y", "in/0.csv,2,3,"]),
        # A table for each file: each file's rows.
        ([FRAME[:1], FRAME[1:]], 2, "a,b", ["in/0.csv,0,1,x", "in/1.csv,0,2,y", "in/1.csv,1,3,"]),
        (
            [[[1, 2], [3, 4]], [[5, 6]]],
            2,
            "prediction_0,prediction_1",
            ["in/0.csv,0,1,2", "in/0.csv,1,3,4", "in/1.csv,0,5,6"],
        ),
        (
            [[{"k": 1}, {"k": 2}], [{"k": 3}]],
            2,
            "k",
            ["in/0.csv,0,1", "in/0.csv,1,2", "in/1.csv,0,3"],
        ),
        ([[{"k": 1}], []], 2, "k", ["in/0.csv,0,1"]),
        ([[], [[5, 6]]], 2, "prediction_0,prediction_1", ["in/1.csv,0,5,6"]),
        # One element or row for each file.
        (["x", "y"], 2, "prediction", ["in/0.csv,0,x", "in/1.csv,0,y"]),
        (np.array([1, 2]), 2, "prediction", ["in/0.csv,0,1", "in/1.csv,0,2"]),
        (pd.Series([1, 2]), 2, "prediction", ["in/0.csv,0,1", "in/1.csv,0,2"]),
        (FRAME[:2], 2, "a,b", ["in/0.csv,0,1,x", "in/1.csv,0,2,y"]),
        (
            np.array([[0.25, 0.75], [1, 0]]),
            2,
            "prediction_0,prediction_1",
            ["in/0.csv,0,0.25,0.75", "in/1.csv,0,1.0,0.0"],
        ),
        (
            [np.array([1, 2]), None],
            2,
            "prediction_0,prediction_1",
            ["in/0.csv,0,1,2", "in/1.csv,0,,"],
        ),
        ([{"k": 1}, {"l": 2}], 2, "k,l", ["in/0.csv,0,1,", "in/1.csv,0,,2"]),
        (
            [FRAME.iloc[0], FRAME.iloc[1]],
            2,
            "a,b",
            ["in/0.csv,0,1,x", "in/1.csv,0,2,y"],
        ),
        # The script says which file: by path, base name or name.
        (
            pd.DataFrame({"p": [1, 2, 3], "input_file": ["/data/1.csv", "1.csv", "in/0.csv"]}),
            2,
            "p",
            ["in/1.csv,0,1", "in/1.csv,1,2", "in/0.csv,0,3"],
        ),
        (
            pd.DataFrame({"input_file": ["elsewhere"], "p": [1]}),
            1,
            "p",
            ["elsewhere,0,1"],
        ),
        (
            [pd.DataFrame({"input_file": ["1.csv"], "p": [1]})],
            2,
            "p",
            ["in/1.csv,0,1"],
        ),
        (
            pd.DataFrame({"input_file": ["0.csv"], "input_row": [41], "p": [1]}),
            2,
            "p",
            ["in/0.csv,41,1"],
        ),
        (
            [{"input_file": "1.csv", "p": 1}, {"input_file": "1.csv", "p": 2}],
            2,
            "p",
            ["in/1.csv,0,1", "in/1.csv,1,2"],
        ),
        # Nobody can know.
        ([1, 2, 3], 2, "prediction", [",,1", ",,2", ",,3"]),
        (FRAME, 2, "a,b", [",,1,x", ",,2,y", ",,3,"]),
        ([FRAME[:1]], 2, "a,b", [",,1,x"]),
    ],
)
def test_rows_name_the_file_they_came_from_where_it_can_be_known(
    result: Any, files: int, columns: str, lines: list[str]
) -> None:
    found = rendered(result, files)
    assert found.columns == ("input_file", "input_row", *columns.split(","))
    assert found.content.decode().splitlines() == lines
    assert found.rows == len(lines)


def test_base_names_that_two_files_share_say_nothing() -> None:
    inputs = [Input("a/x.csv", "file:///1/x.csv"), Input("b/x.csv", "file:///2/x.csv")]
    frame = pd.DataFrame({"input_file": ["x.csv", "/2/x.csv"], "p": [1, 2]})
    found = render(frame, inputs, ["/1/x.csv", "/2/x.csv"], Form("csv"))
    assert found.content == b"x.csv,0,1\nb/x.csv,0,2\n"


@pytest.mark.parametrize("result", [None, [], np.array([]), FRAME[:0], [FRAME[:0], FRAME[:0]]])
def test_no_rows_make_no_bytes_and_no_columns(result: Any) -> None:
    found = rendered(result)
    assert (found.rows, found.content, found.columns) == (0, b"", ())


def test_cells_survive_a_csv_reader() -> None:
    cells = ['say "hi"', "a,b", "two\nlines", "\rreturn", " space ", "é☃", "", "=1+1"]
    found = rendered([{"c": value, "d": 1} for value in cells], files=1)
    rows = list(csv.reader(io.StringIO(found.content.decode(), newline="")))
    assert [row[2] for row in rows] == cells


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (float("nan"), ""),
        (np.float64("nan"), ""),
        (pd.NA, ""),
        (pd.NaT, ""),
        (0.1, "0.1"),
        (np.float32(0.1), "0.1"),
        (np.float64(1e-7), "1e-07"),
        (True, "True"),
        (np.int64(3), "3"),
        (10**30, "1" + "0" * 30),
        (b"raw", "raw"),
        (pd.Timestamp("2024-01-02"), "2024-01-02 00:00:00"),
        ([1, 2], '"[1, 2]"'),
        (np.array([1.5]), "[1.5]"),
    ],
)
def test_cells_by_type(value: Any, shown: str) -> None:
    assert text([{"c": value}], files=1) == [f"in/0.csv,0,{shown}"]


def test_columns_of_32_bit_floats_keep_their_short_form() -> None:
    frame = pd.DataFrame({"f": np.array([0.1, np.nan], "float32"), "when": pd.Timestamp("2024")})
    assert text(frame, files=1) == [
        "in/0.csv,0,0.1,2024-01-01 00:00:00",
        "in/0.csv,1,,2024-01-01 00:00:00",
    ]


def test_two_columns_of_one_name_are_kept_apart() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["x", "x"])
    assert text(frame, files=1) == ["in/0.csv,0,1,2"]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("text", "not str"),
        ({"a": 1}, "not dict"),
        (3, "not int"),
        (np.array(3), "not one number"),
        ([[1, 2], [3]], "2 and of 1 cells"),
        ([{"a": 1}, 2], "different kinds"),
        ([1, {"a": 1}], "different kinds"),
        ([[1], 2], "different kinds"),
    ],
)
def test_what_is_no_rows_is_refused_in_words(result: Any, words: str) -> None:
    with pytest.raises(BadReturn, match=words):
        rendered(result)


def test_later_rows_of_a_unit_take_the_order_of_the_first() -> None:
    first = rendered([{"a": 1, "b": 2}], files=1)
    second = rendered([{"b": 3, "a": 4}], files=1, columns=first.columns)
    assert second.columns == first.columns
    assert second.content == b"in/0.csv,0,4,3\n"
    with pytest.raises(BadReturn, match="where earlier rows"):
        rendered([{"c": 1}], files=1, columns=first.columns)


def test_text_is_azures_append_row() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y z"]})
    assert text(frame, form="text") == ["1 x", '2 "y z"']
    assert text(["one", 2, {"k": 1}], form="text") == ["one", "2", "{'k': 1}"]
    assert text(np.array([[1, 2], [3, 4]]), form="text") == ["[1 2]", "[3 4]"]
    assert text([frame, "z"], form="text") == ["1 x", '2 "y z"', "z"]


def test_a_summary_only_counts() -> None:
    found = rendered([1, 2, 3], form="summary_only")
    assert (found.returned, found.rows, found.content) == (3, 3, b"")


def test_what_was_given_can_be_gone_through_twice() -> None:
    assert given(FRAME) is FRAME
    assert given(None) is None
    assert given(x for x in "ab") == given(("a", "b")) == given(np.array(["a", "b"])) == ["a", "b"]


def test_json_lines_are_plain_json() -> None:
    frame = pd.DataFrame(
        {
            "n": np.array([0.1, np.nan], dtype="float32"),
            "t": pd.to_datetime(["2026-01-02", None]),
            "v": [np.array([1.5, np.inf]), {"k": np.int64(3)}],
        }
    )
    found = [json.loads(line) for line in text(frame, 1, "jsonl")]
    assert found == [
        {"input_file": "in/0.csv", "input_row": 0, "n": 0.1, "t": "2026-01-02T00:00:00"}
        | {"v": [1.5, "inf"]},
        {"input_file": "in/0.csv", "input_row": 1, "n": None, "t": None, "v": {"k": 3}},
    ]


def test_json_lines_may_have_other_columns_than_earlier_ones() -> None:
    found = rendered([{"k": 1}], 1, "jsonl", ())
    assert found.columns == ()
    assert json.loads(found.content) == {"input_file": "in/0.csv", "input_row": 0, "k": 1}


@pytest.mark.parametrize(
    ("result", "columns", "lines"),
    [
        ([1, 2], ("prediction",), ["1", "2"]),
        (FRAME, ("a", "b"), ["1,x", "2,y", "3,"]),
        ([FRAME[:1], FRAME[1:]], ("a", "b"), ["1,x", "2,y", "3,"]),
        (pd.DataFrame({"input_file": ["mine"], "a": [1]}), ("input_file", "a"), ["mine,1"]),
    ],
)
def test_rows_can_do_without_their_origin(
    result: Any, columns: tuple[str, ...], lines: list[str]
) -> None:
    found = render(given(result), [Input("a", "file:///a")], ["/a"], Form("csv", provenance=False))
    assert found.columns == columns
    assert found.content.decode().splitlines() == lines


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([1, -2], ["1", "-2"]),
        ([True, False], ["True", "False"]),
        ([0.1, float("nan"), 1e16], ["0.1", "", "1e+16"]),
        (["a", 'b"', "c,d", ""], ["a", '"b"""', '"c,d"', ""]),
        ([1, True, None, 0.5, "x,y"], ["1", "True", "", "0.5", '"x,y"']),
        (np.array([1, 2]), ["1", "2"]),
        (np.array([0.1, np.nan]), ["0.1", ""]),
        (np.array([0.1, 2], dtype=np.float32), ["0.1", "2.0"]),
        (np.array([True, False]), ["True", "False"]),
        (np.array([1, 2], dtype=np.uint8), ["1", "2"]),
        (np.array(["a", "b,"]), ["a", '"b,"']),
        ([np.int64(1), np.int64(2)], ["1", "2"]),
        ([np.float64("nan"), np.float64(0.5)], ["", "0.5"]),
        ([float("inf"), float("-inf"), float("nan")], ["inf", "-inf", ""]),
        (pd.Series([1, 0], dtype="Sparse[int]"), ["1", "0"]),
        (["x,%s", "x,%s"], ['"x,%s"', '"x,%s"']),
        ([[1], [2]], ["1", "2"]),
        ([["%"], ["%d"]], ["%", "%d"]),
    ],
)
def test_a_column_is_written_as_each_of_its_cells_would_be(values: Any, cells: list[str]) -> None:
    lines = rendered(values, files=1).content.decode().splitlines()
    assert lines == [f"in/0.csv,{number},{cell}" for number, cell in enumerate(cells)]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        [True, False],
        [0.1, 1e16],
        [0.1, float("nan"), None],
        ["a", 'b"\n', "%s", "], ["],
        [None, None],
        [1, "x", None, 0.5],
        [[1, 2], {"k": "\n"}, []],
        [[{"": 1}, {"": 2}], [3]],
        np.array([1, 2], dtype=np.int32),
        [np.float64(0.5), np.float64("nan")],
    ],
)
def test_a_column_of_json_is_written_as_each_of_its_values_would_be(values: Any) -> None:
    told = json.dumps(list(values), default=lambda value: value.item())
    wanted = json.loads(told, parse_constant=lambda _: None)
    lines = text([{"100%": value} for value in values], 1, "jsonl")
    assert [json.loads(line)["100%"] for line in lines] == wanted


def test_a_table_without_cells_beside_one_with_some_is_refused() -> None:
    with pytest.raises(BadReturn, match="where earlier rows"):
        rendered([[[]], [[1]]])


HOSTILE = '=HYPERLINK("https://evil.example")'


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (HOSTILE, f"'{HOSTILE}"),
        ("+1+cmd", "'+1+cmd"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-1", "-1"),
        ("+4.5e3", "+4.5e3"),
        (-1, "-1"),
        (-2.5, "-2.5"),
        ("\t=1", "'\t=1"),
        (b"=1", "'=1"),
        ("a=b", "a=b"),
        (None, ""),
    ],
)
def test_a_formula_is_text_where_a_deployment_says_so(value: Any, cell: str) -> None:
    form = Form("csv", provenance=False, escape_formulas=True)
    rows = [{"x": value, "=y": 1}, {"x": "plain", "=y": 2}]
    found = render(given(rows), [Input("a", "file:///a")], ["/a"], form)
    assert found.columns == ("x", "'=y")
    assert next(csv.reader(io.StringIO(found.content.decode())))[0] == cell
    again = render(given(rows), [Input("a", "file:///a")], ["/a"], form, found.columns)
    assert again.content == found.content


def test_a_formula_stays_what_it_is_otherwise() -> None:
    assert text([HOSTILE], 1) == ['in/0.csv,0,"=HYPERLINK(""https://evil.example"")"']
