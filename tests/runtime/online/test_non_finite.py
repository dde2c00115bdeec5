"""NaN and infinity in answers: null, and told."""

import json
from typing import Any

import pytest

from tests.runtime.harness import Server, Start

SCRIPT = """
    import math, numpy, pandas
    nan, inf = math.nan, math.inf

    def init():
        pass

    def run(data):
        return eval(data)
"""
SIGNED = """
    import numpy, pandas

    PAYLOAD_SIGNATURE = {"inputs": [{"name": "how", "type": "string"}]}

    def init():
        pass

    def run(table):
        return eval(table["how"][0])
"""


@pytest.fixture(scope="module")
def server(start_shared: Start) -> Server:
    return start_shared(SCRIPT).ready()


@pytest.fixture(scope="module")
def signed(start_shared: Start) -> Server:
    return start_shared(SIGNED).ready()


def strict(body: bytes) -> Any:
    """As a parser reads it that knows JSON alone."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(body, parse_constant=refuse)


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        ("nan", None),
        ("[1, nan, -inf, 'NaN']", [1, None, None, "NaN"]),
        ("{'a': (inf, 2.5), 'b': {'c': [nan]}}", {"a": [None, 2.5], "b": {"c": [None]}}),
        ("{nan: 1, inf: True, 0.5: 2}", {"NaN": 1, "Infinity": True, "0.5": 2}),
        ("numpy.float64('nan')", None),
    ],
)
def test_they_are_null_and_a_header_says_so(server: Server, returned: str, shown: Any) -> None:
    reply = server.ask(body=returned)
    assert (reply.status, strict(reply.body)) == (200, shown)
    assert reply.headers["x-ms-run-non-finite"] == "True"


@pytest.mark.parametrize("returned", ["[1, 2.5]", "None", "'NaN'", "'[NaN]'"])
def test_other_answers_say_nothing(server: Server, returned: str) -> None:
    reply = server.ask(body=returned)
    assert reply.status == 200
    assert "x-ms-run-non-finite" not in reply.headers


def test_in_a_stream_they_are_null(server: Server) -> None:
    reply = server.ask(body="iter([nan, [1, inf]])")
    assert reply.body == b"null\n[1, null]\n"


def test_what_no_json_holds_is_still_said_so(server: Server) -> None:
    reply = server.ask(body="(lambda a: a.append(a) or a)([nan])")
    assert reply.status == 500
    assert "cannot be written as JSON" in reply.json["message"]


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        ("numpy.array([1.0, numpy.nan])", [1.0, None]),
        ("pandas.DataFrame({'p': [1.5, numpy.inf]})", [{"p": 1.5}, {"p": None}]),
    ],
)
def test_the_dialects_have_the_same_rule(signed: Server, returned: str, shown: Any) -> None:
    reply = signed.ask(body=json.dumps({"input_data": {"how": [returned]}}))
    assert strict(reply.body) == shown
    assert reply.headers["x-ms-run-non-finite"] == "True"


def test_a_tensor_of_v2_with_a_gap_keeps_its_type(signed: Server) -> None:
    data = ["[[1.0, None], [float('nan'), 2.0]]"]
    asked = {"inputs": [{"name": "how", "datatype": "BYTES", "shape": [1], "data": data}]}
    reply = signed.ask(body=json.dumps(asked))
    (output,) = strict(reply.body)["outputs"]
    assert (output["datatype"], output["shape"]) == ("FP64", [2, 2])
    assert output["data"] == [1.0, None, None, 2.0]
