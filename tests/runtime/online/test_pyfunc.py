"""MLflow models without a script, served as they are: a real model, by the real MLflow."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.kit.waiting import until
from tests.runtime.harness import Server, Start

SAVE = """
import sys, warnings
warnings.simplefilter("ignore")
import mlflow.sklearn, numpy, pandas
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

table = pandas.DataFrame({"a": [1.0, 2.0, 4.0], "b": [1, 2, 3]})
model = LinearRegression().fit(table, table["a"] * 2 + table["b"])
signature = infer_signature(table, model.predict(table))
how = {"pip_requirements": ["mlflow-skinny"], "serialization_format": "cloudpickle"}
mlflow.sklearn.save_model(model, sys.argv[1] + "/table", signature=signature, **how)
rows = table.to_numpy()
model = LinearRegression().fit(rows, rows.sum(axis=1))
signature = infer_signature(rows, model.predict(rows))
mlflow.sklearn.save_model(model, sys.argv[1] + "/tensor", signature=signature, **how)
mlflow.sklearn.save_model(model, sys.argv[1] + "/bare", **how)
"""


@pytest.fixture(scope="module")
def models(mlflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    done = subprocess.run(
        [mlflow_python, "-c", SAVE, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def _ask(server: Server, body: Any) -> Any:
    reply = server.ask(body=json.dumps(body))
    assert reply.status == 200, reply.body
    return reply.json


def _collected(server: Server) -> list[dict[str, Any]]:
    body = server.ask("POST", "/collected").body
    return [json.loads(line) for line in body.splitlines()]


@pytest.fixture(scope="module")
def server(start_shared: Start, mlflow_python: Path, models: Path) -> Server:
    """Of the table's model, which collects what it is asked."""
    env = {"ML_ENDPOINTS_DATA_COLLECTOR": '{"model_inputs": 1, "model_outputs": 1}'}
    options = ("serve", "--mlflow", "--max-concurrent", "8", "--max-queue", "64")
    root = models / "table"
    return start_shared(None, *options, python=mlflow_python, app_root=root, env=env).ready()


def test_a_model_answers_in_every_dialect(server: Server) -> None:
    _collected(server)
    split = {"columns": ["b", "a"], "data": [[5, 10.0], [1, 0.0]]}
    expected = pytest.approx([25.0, 1.0])
    assert _ask(server, {"input_data": split}) == expected
    assert _ask(server, {"dataframe_split": split})["predictions"] == expected
    records = [{"a": 10.0, "b": 5}, {"a": 0, "b": 1}]
    assert _ask(server, {"dataframe_records": records})["predictions"] == expected
    assert _ask(server, {"instances": records})["predictions"] == expected
    assert _ask(server, {"inputs": {"a": [10, 0], "b": [5, 1]}})["predictions"] == expected
    tensors = [
        {"name": "a", "datatype": "FP64", "shape": [2], "data": [10.0, 0.0]},
        {"name": "b", "datatype": "INT64", "shape": [2], "data": [5, 1]},
    ]
    [output] = _ask(server, {"inputs": tensors})["outputs"]
    assert (output["datatype"], output["shape"]) == ("FP64", [2])
    assert output["data"] == expected
    refused = server.ask(body=json.dumps({"input_data": {"columns": ["a"], "data": [[1]]}}))
    assert (refused.status, "lacking: b" in refused.json["message"]) == (400, True)
    document = server.ask("GET", "/swagger.json?version=3").json
    first = document["components"]["schemas"]["ServiceInput"]["oneOf"][0]
    assert first["properties"]["input_data"]["properties"]["columns"]["example"] == ["a", "b"]
    given, gave, *_ = _collected(server)
    assert json.loads(given["data"]) == [{"a": 10.0, "b": 5}, {"a": 0.0, "b": 1}]
    assert json.loads(gave["data"]) == expected
    assert given["correlation"] == gave["correlation"]


def test_a_model_of_tensors_does_too(start: Start, mlflow_python: Path, models: Path) -> None:
    server = start(None, "serve", "--mlflow", python=mlflow_python, app_root=models / "tensor")
    server.ready()
    assert _ask(server, {"input_data": [[1, 2], [3, 4]]}) == pytest.approx([3, 7])
    assert _ask(server, {"inputs": [[1.5, 2]]})["predictions"] == pytest.approx([3.5])


def test_a_model_without_a_signature_says_so(
    start: Start, mlflow_python: Path, models: Path
) -> None:
    server = start(None, "serve", "--mlflow", python=mlflow_python, app_root=models / "bare")
    server.exit_code()
    last = json.loads(server.log.splitlines()[-1])
    assert last["code"] == "UserScriptInitFailed"
    assert "the MLmodel file has no signature" in last["message"]


COLLECTS = """
    import json, pandas
    from azureml.ai.monitoring import Collector, __file__ as place
    from azureml.ai.monitoring.context import BasicCorrelationContext

    def init():
        global inputs
        inputs = Collector(name="model_inputs")

    def run(data, request_headers):
        context = BasicCorrelationContext(id=request_headers["x-request-id"])
        inputs.collect(pandas.DataFrame(json.loads(data)), context)
        return place
"""


def test_microsofts_own_package_collects_where_it_is_installed(
    start: Start, mlflow_python: Path
) -> None:
    env = {"ML_ENDPOINTS_DATA_COLLECTOR": '{"model_inputs": 1}'}
    server = start(COLLECTS, python=mlflow_python, env=env).ready()
    place = server.ask(body='[{"x": 1}]', headers={"x-request-id": "r1"}).json
    assert "site-packages" in place
    [record] = until(lambda: _collected(server), f"a record; see {server.log_path}")
    assert record["collection"] == "model_inputs"
    assert json.loads(record["data"]) == [{"x": 1}]
    assert (record["correlation"], record["model"]) == ("r1", "default")
    assert record["type"].endswith("DataFrame")
    assert record["agent"] == "azureml-ai-monitoring/1.0.0"


def test_requests_that_are_there_at_once_are_each_answered_as_one_by_itself(
    server: Server,
) -> None:
    bad = {"dataframe_records": [{"a": 1.0, "b": "x"}]}

    def asked(number: int) -> None:
        rows = [{"a": float(number), "b": row} for row in range(1 + number % 3)]
        expected = [2.0 * number + row["b"] for row in rows]
        answer = _ask(server, {"dataframe_records": rows})
        assert answer["predictions"] == pytest.approx(expected)
        if number % 5 == 0:
            assert server.ask(body=json.dumps(bad)).status == 400

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(asked, range(48)))
    assert server.load()["failed"] == 0


@pytest.mark.parametrize(
    ("name", "value", "because"),
    [
        ("ML_ENDPOINTS_MAX_BATCH", "0", "whole number from 1"),
        ("ML_ENDPOINTS_MAX_BATCH_DELAY_MS", "5", "wait for no others"),
    ],
)
def test_what_is_no_limit_of_joined_requests_is_said_at_the_start(
    start: Start, mlflow_python: Path, models: Path, name: str, value: str, because: str
) -> None:
    env = {name: value}
    root = models / "table"
    server = start(None, "serve", "--mlflow", python=mlflow_python, app_root=root, env=env)
    assert server.exit_code() == 3
    assert because in server.log.splitlines()[-1]
