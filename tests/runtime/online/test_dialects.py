"""Every dialect on one route, for scripts that name their model's signature."""

import json
from typing import Any

import pytest

from tests.runtime.harness import Server, Start

TABLE = """
    PAYLOAD_SIGNATURE = {
        "inputs": [
            {"name": "a", "type": "double"},
            {"name": "b", "type": "long"},
            {"name": "c", "type": "string", "required": False},
        ],
        "outputs": [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}],
        "params": [{"name": "scale", "type": "double", "default": 1.0, "shape": None}],
    }

    def init():
        pass

    def run(table, params):
        assert list(table.columns)[:2] == ["a", "b"], table.columns
        assert [str(t) for t in table.dtypes[:2]] == ["float64", "int64"], table.dtypes
        return ((table["a"] + table["b"]) * params["scale"]).to_numpy()
"""

TENSOR = """
    import numpy

    PAYLOAD_SIGNATURE = {
        "inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]',
    }

    def init():
        pass

    def run(tensor):
        assert (tensor.dtype, tensor.ndim) == (numpy.float32, 2)
        return tensor * 2
"""

NAMED = """
    PAYLOAD_SIGNATURE = {
        "inputs": [
            {"name": n, "type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1, 2]}}
            for n in ("x", "y")
        ],
    }

    def init():
        pass

    def run(tensors):
        return {"sum": tensors["x"] + tensors["y"], "first": tensors["x"][:, 0]}
"""


def _ask(server: Server, body: Any) -> tuple[int, Any]:
    reply = server.ask(body=json.dumps(body))
    return reply.status, reply.json


SPLIT = {"columns": ["b", "a"], "index": [7, 8], "data": [[1, 0.5], [2, 1.5]]}
RECORDS = [{"a": 0.5, "b": 1}, {"a": 1.5, "b": 2, "c": "x"}]
BY_NAME = {"a": [0.5, 1.5], "b": [1, 2]}
ROWS = [[0.5, 1, "x"], [1.5, 2, None]]


@pytest.fixture(scope="module")
def table(start_shared: Start) -> Server:
    return start_shared(TABLE).ready()


@pytest.fixture(scope="module")
def tensor(start_shared: Start) -> Server:
    return start_shared(TENSOR).ready()


@pytest.mark.parametrize("value", [SPLIT, BY_NAME, ROWS, RECORDS])
def test_input_data_is_answered_with_the_bare_predictions(table: Server, value: Any) -> None:
    assert _ask(table, {"input_data": value}) == (200, [1.5, 3.5])
    scaled = {"input_data": value, "params": {"scale": 2}}
    assert _ask(table, scaled) == (200, [3.0, 7.0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataframe_split", SPLIT),
        ("dataframe_records", RECORDS),
        ("instances", RECORDS),
        ("inputs", BY_NAME),
        ("inputs", ROWS),
    ],
)
def test_mlflows_dialects_are_answered_with_predictions(
    table: Server, name: str, value: Any
) -> None:
    assert _ask(table, {name: value}) == (200, {"predictions": [1.5, 3.5]})


STRINGS = """
    PAYLOAD_SIGNATURE = {"inputs": [{"name": "c", "type": "string"}]}

    def init():
        pass

    def run(table):
        return [[type(value).__name__, value] for value in table["c"]]
"""


def test_a_column_of_strings_takes_numbers_as_they_are(start: Start) -> None:
    """As MLflow does, whose signatures call every column of mixed values one of strings."""
    server = start(STRINGS).ready()
    rows = [["x"], [1], [1.5], [True]]
    told = [["str", "x"], ["int", 1], ["float", 1.5], ["bool", True]]
    assert _ask(server, {"input_data": {"columns": ["c"], "data": rows}}) == (200, told)
    status, refusal = _ask(server, {"input_data": {"columns": ["c"], "data": [[["x"]]]}})
    assert status == 400
    assert "not strings" in str(refusal)


def test_open_inference_v2_takes_columns_by_name(table: Server) -> None:
    status, answer = _ask(
        table,
        {
            "id": "one",
            "parameters": {"scale": 2, "unknown": True},
            "inputs": [
                {"name": "a", "datatype": "FP64", "shape": [2, 1], "data": [0.5, 1.5]},
                {"name": "b", "datatype": "INT64", "shape": [2], "data": [1, 2]},
            ],
        },
    )
    assert status == 200
    assert answer == {
        "model_name": "blue",
        "id": "one",
        "outputs": [{"name": "output-1", "datatype": "FP64", "shape": [2], "data": [3.0, 7.0]}],
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"input_data": [[1, 2], [3, 4]]}, [[2, 4], [6, 8]]),
        ({"instances": [[1, 2]]}, {"predictions": [[2, 4]]}),
        ({"inputs": [[1.5, 2]]}, {"predictions": [[3, 4]]}),
        ({"inputs": {"any": [[1, 2]]}}, {"predictions": [[2, 4]]}),
        (
            {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [[1, 2]]}]},
            {
                "model_name": "blue",
                "outputs": [
                    {"name": "output-1", "datatype": "FP32", "shape": [1, 2], "data": [2, 4]}
                ],
            },
        ),
    ],
)
def test_a_tensor_comes_in_every_dialect(tensor: Server, body: Any, expected: Any) -> None:
    assert _ask(tensor, body) == (200, expected)


def test_named_tensors_come_in_every_dialect(start: Start) -> None:
    server = start(NAMED).ready()
    tensors = {"x": [[1, 2]], "y": [[3, 4]]}
    expected = {"sum": [[4, 6]], "first": [1]}
    assert _ask(server, {"input_data": tensors}) == (200, expected)
    assert _ask(server, {"inputs": tensors}) == (200, {"predictions": expected})
    row = {"x": [1, 2], "y": [3, 4]}
    assert _ask(server, {"instances": [row]}) == (200, {"predictions": expected})
    v2 = [
        {"name": name, "datatype": "INT64", "shape": [1, 2], "data": value[0]}
        for name, value in tensors.items()
    ]
    status, answer = _ask(server, {"inputs": v2, "outputs": [{"name": "sum"}]})
    assert status == 200
    assert answer["outputs"] == [
        {"name": "sum", "datatype": "INT64", "shape": [1, 2], "data": [4, 6]}
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "needs one of input_data, dataframe_split"),
        ([], "not a JSON object"),
        ({"input_data": SPLIT, "instances": []}, "has both input_data and instances"),
        ({"input_data": 1}, "a list of rows"),
        ({"input_data": {"a": [1.0]}}, "lacking: b"),
        ({"input_data": {"a": [1.0], "b": [1, 2]}}, "different lengths: 1, 2"),
        ({"input_data": {"a": ["x"], "b": [1]}}, "column 'a' has values that are not double"),
        ({"input_data": {"a": [1.0], "b": [1.5]}}, "column 'b' has values that are not long"),
        ({"input_data": {"a": [1.0], "b": [None]}}, "cannot be null"),
        ({"input_data": {"a": [1.0], "b": [2**70]}}, "column 'b'"),
        ({"input_data": {"a": [1.0], "b": [1], "c": [[2]]}}, "column 'c' has values that are not"),
        ({"input_data": [[1.0, 2]]}, "a row is a list of 3: a, b, c"),
        ({"input_data": {**SPLIT, "index": [1]}}, "'index' is a list as long as 'data'"),
        ({"input_data": {**SPLIT, "columns": ["a", "a"]}}, "each once"),
        ({"dataframe_split": []}, "a split table is an object"),
        ({"dataframe_records": [[1]]}, "a list of objects"),
        ({"dataframe_records": [{"a": 1.0}]}, "lacking in some row: b"),
        ({"input_data": SPLIT, "params": {"scal": 1}}, "unknown in 'params': scal"),
        ({"input_data": SPLIT, "params": {"scale": [1]}}, "the parameter 'scale'"),
        (
            {"inputs": [{"name": "a", "datatype": "FP64", "shape": [2], "data": [1]}]},
            "'a' has 1 values, and its shape [2] needs 2",
        ),
        (
            {"inputs": [{"name": "a", "datatype": "FP99", "shape": [1], "data": [1]}]},
            "unknown datatype 'FP99'",
        ),
        (
            {"inputs": [{"name": "a", "datatype": "FP64", "shape": [1], "parameters": {}}]},
            "binary data is not taken",
        ),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_the_reason(
    table: Server, body: Any, told: str
) -> None:
    status, answer = _ask(table, body)
    assert status == 400
    assert told in answer["message"]


@pytest.mark.parametrize("body", ["", "{", b"\xff", "[" * 100_000])
def test_a_body_that_is_not_json_is_refused(table: Server, body: bytes | str) -> None:
    assert table.ask(body=body).status == 400
    assert table.ask("GET").status == 405
    assert _ask(table, {"input_data": SPLIT})[0] == 200


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([[1, 2, 3]], "has the shape [1, 3]; the model takes [-1, 2]"),
        ([[1], [1, 2]], "ragged"),
        ([["a", "b"]], "not float32"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(tensor: Server, value: Any, told: str) -> None:
    status, answer = _ask(tensor, {"input_data": value})
    assert (status, told in answer["message"]) == (400, True)


def test_results_become_json_whatever_the_model_gives(start: Start) -> None:
    server = start(
        """
        import numpy, pandas

        PAYLOAD_SIGNATURE = {"inputs": [{"name": "how", "type": "string"}]}

        def init():
            pass

        def run(table):
            return eval(table["how"][0])
        """
    ).ready()
    for how, expected in {
        "numpy.float32(1.5)": 1.5,
        "numpy.array([1.0, numpy.nan])": [1.0, None],
        "numpy.array(['a'])": ["a"],
        "numpy.array(['2020-01-02'], dtype='datetime64[D]')": ["2020-01-02"],
        "pandas.DataFrame({'p': [1], 'q': [None]})": [{"p": 1, "q": None}],
        "pandas.Series(pandas.to_datetime(['2020-01-02', None]))": ["2020-01-02T00:00:00", None],
        "[numpy.int64(3), b'x', pandas.NA]": [3, "eA==", None],
        "{'a': numpy.arange(2)}": {"a": [0, 1]},
    }.items():
        assert _ask(server, {"input_data": {"how": [how]}}) == (200, expected), how
    status, answer = _ask(server, {"input_data": {"how": ["object()"]}})
    assert (status, "not JSON serializable" in answer["message"]) == (500, True)
    v2 = {"inputs": [{"name": "how", "datatype": "BYTES", "shape": [1], "data": [""]}]}
    v2["inputs"][0]["data"] = ["pandas.DataFrame({'p': [True], 'q': ['x']})"]
    assert _ask(server, v2)[1]["outputs"] == [
        {"name": "p", "datatype": "BOOL", "shape": [1], "data": [True]},
        {"name": "q", "datatype": "BYTES", "shape": [1], "data": ["x"]},
    ]


@pytest.mark.parametrize(
    ("signature", "told"),
    [
        ("{}", "the signature has no inputs"),
        ("1", "a signature is not a int"),
        ("{'inputs': '{'}", "inputs are not JSON"),
        ("{'inputs': [{'type': 'tensor'}]}", "has no shape"),
        ("{'inputs': [{'type': 'long'}, {'type': 'long'}]}", "some without a name"),
        ("'nowhere/MLmodel'", "nowhere/MLmodel cannot be read"),
    ],
)
def test_a_bad_signature_stops_the_script_with_the_reason(
    start: Start, signature: str, told: str
) -> None:
    server = start(
        f"PAYLOAD_SIGNATURE = {signature}\n"
        "def init():\n    pass\n\ndef run(data):\n    return data\n"
    )
    assert server.exit_code() == 3
    last = json.loads(server.log.splitlines()[-1])
    assert last["code"] == "UserScriptInitFailed"
    assert told in last["message"]


def test_a_signature_may_come_from_the_models_own_file(start: Start) -> None:
    server = start(
        """
        PAYLOAD_SIGNATURE = "model"

        def init():
            pass

        def run(table):
            return table.iloc[:, 0]
        """,
        files={
            "model/MLmodel": """
                signature:
                  inputs: '[{"type": "double"}]'
                  outputs: null
            """
        },
        env={"AZUREML_MODEL_DIR": "."},
    ).ready()
    assert _ask(server, {"input_data": [1, 2.5]}) == (200, [1.0, 2.5])


def test_the_document_tells_every_dialect(table: Server) -> None:
    def schemas(version: str) -> tuple[Any, Any]:
        document = table.ask("GET", f"/swagger.json?version={version}").json
        known = document.get("definitions") or document["components"]["schemas"]
        return known["ServiceInput"], known["ServiceOutput"]

    taken, given = schemas("2")
    assert taken["properties"]["input_data"]["properties"]["columns"]["example"] == ["a", "b", "c"]
    assert given == {"type": "array", "items": {"type": "number"}}
    for version in ("3", "3.1"):
        taken, given = schemas(version)
        names = [option["required"][0] for option in taken["oneOf"]]
        assert names == [
            "input_data",
            "dataframe_split",
            "dataframe_records",
            "instances",
            "inputs",
            "inputs",
        ]
        row = taken["oneOf"][2]["properties"]["dataframe_records"]["items"]
        assert row["required"] == ["a", "b"]
        assert row["properties"]["b"] == {"type": "integer", "format": "int64"}
        assert len(given["oneOf"]) == 3
