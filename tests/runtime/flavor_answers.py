"""A saved MLflow model, asked online and over a file without a script, beside what MLflow itself
predicts of the same rows."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.runtime.harness import Server, Start
from tests.runtime.work_units import events, unit


class Asked(NamedTuple):
    """`rows` by their values, which are also in the file `csv`, and what `mlflow.pyfunc` says to
    them, number after number."""

    rows: list[list[float]]
    direct: list[float]
    csv: Path


def flat(answer: Any) -> list[float]:
    """The numbers in it, in order."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    return [n for each in answer for n in flat(each)] if isinstance(answer, list) else [answer]


def answers_as_mlflow_does(
    start: Start, python: Path, model: Path, asked: Asked, folder: Path
) -> Server:
    """The server that was asked. The worker's block is in `folder`."""
    expected = pytest.approx(asked.direct, rel=1e-6)
    server = start(None, "serve", "--mlflow", python=python, app_root=model)
    reply = server.ready().ask(body=json.dumps({"input_data": asked.rows}))
    assert reply.status == 200, reply.body
    assert flat(reply.json) == expected
    worker = start(None, "work", "--mlflow", python=python, app_root=model)
    block = folder / "block"
    files = [{"name": "rows.csv", "url": asked.csv.as_uri()}]
    [ended, *_] = events(worker.ready(), unit(files, block=block.as_uri()))
    assert ended["succeeded"], ended
    lines = [line.split(",") for line in block.read_text().splitlines()]
    assert [line[:2] for line in lines] == [["rows.csv", str(n)] for n in range(len(asked.rows))]
    assert [float(value) for line in lines for value in line[2:]] == expected
    return server
