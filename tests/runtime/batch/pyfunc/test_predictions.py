"""What a model may give, as a table for each file."""

from typing import Any

import numpy
import pandas
import pytest

from runtime.batch.inputs import Input
from runtime.batch.pyfunc.predictions import Predictions, table_of
from runtime.batch.rows import Form, render


@pytest.mark.parametrize(
    ("result", "columns", "rows"),
    [
        (numpy.array([1, 2]), ["prediction"], [[1], [2]]),
        (numpy.array([[1], [2]]), ["prediction"], [[1], [2]]),
        (numpy.array([[1, 2], [3, 4]]), ["prediction_0", "prediction_1"], [[1, 2], [3, 4]]),
        (numpy.zeros((1, 2, 2)), ["prediction"], [[[[0.0, 0.0], [0.0, 0.0]]]]),
        (numpy.array(7), ["prediction"], [[7]]),
        (pandas.DataFrame({"a": [1], "b": ["x"]}), ["a", "b"], [[1, "x"]]),
        (pandas.Series([1.5]), ["prediction"], [[1.5]]),
        (pandas.Series([1.5], name="score"), ["score"], [[1.5]]),
        (["yes", "no"], ["prediction"], [["yes"], ["no"]]),
        ([{"a": 1}, {"a": 2}], ["a"], [[1], [2]]),
        ([[1, 2], [3]], ["prediction"], [[[1, 2]], [[3]]]),
        ("whole", ["prediction"], [["whole"]]),
        (
            {"label": numpy.array([1, 2]), "p": numpy.array([[0.5, 0.5], [1, 0]])},
            ["label", "p_0", "p_1"],
            [[1, 0.5, 0.5], [2, 1.0, 0.0]],
        ),
    ],
)
def test_every_form_of_a_result_is_a_table(
    result: Any, columns: list[str], rows: list[list[Any]]
) -> None:
    table = table_of(result)
    assert list(table.columns) == columns
    assert table.to_numpy().tolist() == rows


def rendered(form: str) -> str:
    predictions = Predictions()
    predictions.add("a.csv", [table_of(numpy.array([1, 2])), table_of(numpy.array([3]))])
    predictions.add("none.csv", [])
    predictions.add("b,c.csv", [table_of(numpy.array([4]))])
    paths = ["/given/0/a.csv", "/given/0/none.csv", "/given/0/b,c.csv"]
    names = [f"data/{path.rpartition('/')[2]}" for path in paths]
    inputs = [Input(name, f"file://{path}") for name, path in zip(names, paths, strict=True)]
    lines = render(predictions, inputs, paths, Form(form))
    assert (lines.returned, lines.rows) == (3, 4)
    return lines.content.decode()


def test_rows_say_which_file_they_are_of_and_which_row_of_it() -> None:
    assert rendered("csv").splitlines() == [
        "data/a.csv,0,1",
        "data/a.csv,1,2",
        "data/a.csv,2,3",
        '"data/b,c.csv",0,4',
    ]


def test_text_is_as_azure_ml_writes_it() -> None:
    assert rendered("text").splitlines() == ["0,1,a.csv", "1,2,a.csv", "2,3,a.csv", '0,4,"b,c.csv"']
