"""Answers on stdout, in every form."""

import json
from typing import Any

import pytest

from cli.failures import UsageFailed
from cli.output.formats import write

ROWS = [
    {"name": "blue", "traffic": 90, "up": True, "tags": {"a": "1"}},
    {"name": "green", "traffic": 10, "up": False, "tags": {}},
]


def written(capsys: pytest.CaptureFixture[str], answer: Any, **how: Any) -> str:
    write(answer, **{"form": "json", "query": None, **how})
    return capsys.readouterr().out


def test_json_is_the_whole_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(written(capsys, ROWS)) == ROWS


def test_tsv_is_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert written(capsys, ROWS, form="tsv", query="[].name") == "blue\ngreen\n"
    assert written(capsys, ROWS, form="tsv", query="[].[up, traffic]") == "true\t90\nfalse\t10\n"
    assert written(capsys, {"b": None, "a": 1}, form="tsv") == "1\tNone\n"


def test_a_table_shows_the_columns_of_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    lines = written(capsys, ROWS, form="table", columns=("name", "traffic")).splitlines()
    assert lines == ["Name   Traffic", "-----  -------", "blue   90", "green  10"]


def test_a_table_of_a_query_shows_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    said = written(capsys, ROWS, form="table", query="[].{deployment: name}", columns=("name",))
    assert said.splitlines()[0] == "Deployment"


def test_control_characters_of_others_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = written(capsys, [{"name": "a\x1b[2Jb"}], form="table")
    assert "\x1b" not in said


def test_none_is_silence(capsys: pytest.CaptureFixture[str]) -> None:
    assert written(capsys, ROWS, form="none") == ""


def test_a_query_that_is_none_is_refused() -> None:
    with pytest.raises(UsageFailed, match="no JMESPath"):
        write(ROWS, form="json", query="[?")


def test_csv_has_a_line_of_names_and_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "a,b", "cost": 1.5}, {"name": "=1+1", "cost": -2, "tags": {"a": "b"}}]
    lines = written(capsys, rows, form="csv").splitlines()
    assert lines == ["name,cost,tags", '"a,b",1.5,', '\'=1+1,-2,"{""a"": ""b""}"']
    assert written(capsys, [], form="csv") == "\n"
