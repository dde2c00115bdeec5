"""MLflow's flavors without a script, online and over files: what is answered is what MLflow
itself predicts."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.flavor_answers import Asked, answers_as_mlflow_does, flat
from tests.runtime.harness import Start
from tests.runtime.peers import FLAVOR_PACKAGES, environment

pytestmark = pytest.mark.skipif(
    not os.environ.get("EXAMPLES_TESTS"),
    reason="environments of real models are built where EXAMPLES_TESTS=1 asks for it, as in CI",
)

FLAVORS = ("sklearn", "xgboost", "lightgbm", "onnx", "custom")
SAVE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import lightgbm, mlflow, mlflow.lightgbm, mlflow.onnx, mlflow.pyfunc, mlflow.sklearn
import mlflow.xgboost, numpy, onnx, pandas, xgboost
from mlflow.models import infer_signature
from onnx import TensorProto, helper
from sklearn.linear_model import LinearRegression

folder = sys.argv[1]
values = numpy.random.default_rng(7).normal(size=(200, 3))
table = pandas.DataFrame(values, columns=["a", "b", "c"])
target = table["a"] * 2 - table["b"] + 0.5
rows = table.head(4).round(3)
how = {"pip_requirements": ["mlflow-skinny"]}

class Scaled(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        factor = (params or {}).get("factor", 1.0)
        return pandas.DataFrame({"sum": model_input.sum(axis=1) * factor})

def saved(name, save, model, given, **more):
    signature = infer_signature(given, **more)
    save(model, folder + "/" + name, signature=signature, **how)

saved("xgboost", mlflow.xgboost.save_model,
      xgboost.XGBRegressor(n_estimators=5).fit(table, target), table)
saved("lightgbm", mlflow.lightgbm.save_model,
      lightgbm.train({"verbose": -1}, lightgbm.Dataset(table, target), 5), table)
mlflow.sklearn.save_model(
    LinearRegression().fit(table, target), folder + "/sklearn",
    signature=infer_signature(table), serialization_format="cloudpickle", **how)
mlflow.pyfunc.save_model(
    folder + "/custom", python_model=Scaled(),
    signature=infer_signature(table, params={"factor": 3.0}), **how)
weights = numpy.array([[2.0], [-1.0], [0.0]], dtype=numpy.float32)
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["y"])], "linear",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
    [helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.flatten())])
network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
saved("onnx", mlflow.onnx.save_model, network, table.to_numpy(dtype=numpy.float32))

rows.to_csv(folder + "/rows.csv", index=False)
direct = {}
for name in json.loads(sys.argv[2]):
    given = rows.to_numpy(dtype=numpy.float32) if name == "onnx" else rows
    found = mlflow.pyfunc.load_model(folder + "/" + name).predict(given)
    if isinstance(found, dict):
        found = next(iter(found.values()))
    direct[name] = numpy.asarray(found).reshape(-1).tolist()
print(json.dumps({"rows": rows.to_numpy().tolist(), "direct": direct}))
"""


@pytest.fixture(scope="module")
def flavor_python(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache is not None
    return environment(pytestconfig.cache.mkdir("mlflow"), FLAVOR_PACKAGES)


@pytest.fixture(scope="module")
def saved(flavor_python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder of the models, and what they were asked with what MLflow itself predicts."""
    folder = tmp_path_factory.mktemp("flavors")
    command = [str(flavor_python), "-c", SAVE, str(folder), json.dumps(FLAVORS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("flavor", FLAVORS)
def test_what_is_answered_is_what_mlflow_predicts(
    start: Start, flavor_python: Path, saved: tuple[Path, Any], tmp_path: Path, flavor: str
) -> None:
    folder, told = saved
    asked = Asked(told["rows"], told["direct"][flavor], folder / "rows.csv")
    server = answers_as_mlflow_does(start, flavor_python, folder / flavor, asked, tmp_path)
    document = server.ask("GET", "/swagger.json?version=3").json
    assert document["components"]["schemas"]["ServiceInput"]
    if flavor == "custom":
        once = {"input_data": told["rows"], "params": {"factor": 1.0}}
        answer = server.ask(body=json.dumps(once)).json
        assert flat(answer) == pytest.approx([n / 3 for n in told["direct"][flavor]])
