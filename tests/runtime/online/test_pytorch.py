"""PyTorch models without a script, online and over files, as MLflow itself has them predict."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.flavor_answers import Asked, answers_as_mlflow_does
from tests.runtime.harness import Start

PYTHON = os.environ.get("PYTORCH_TESTS_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not PYTHON,
    reason="PYTORCH_TESTS_PYTHON names no Python that has torch, mlflow-skinny, pandas and scipy",
)

SAVE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow.pyfunc, mlflow.pytorch, numpy, pandas, torch
from mlflow.models import infer_signature

folder = sys.argv[1]
torch.manual_seed(7)
layers = torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
network = torch.nn.Sequential(*layers).eval()
values = numpy.random.default_rng(7).normal(size=(4, 3)).astype("float32").round(3)
table = pandas.DataFrame(values, columns=["a", "b", "c"])
table.to_csv(folder + "/rows.csv", index=False)
direct = {}
for name, given, how in (
    ("columns", table, {"serialization_format": "pickle"}),
    ("tensor", values, {"serialization_format": "pickle"}),
    ("exported", values, {"serialization_format": "pt2", "input_example": values}),
):
    mlflow.pytorch.save_model(
        network, folder + "/" + name, signature=infer_signature(given),
        pip_requirements=["mlflow-skinny"], **how)
    found = mlflow.pyfunc.load_model(folder + "/" + name).predict(given)
    direct[name] = numpy.asarray(found).reshape(-1).tolist()
print(json.dumps({"rows": values.tolist(), "direct": direct}))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder of the models, and what they were asked with what MLflow itself predicts."""
    folder = tmp_path_factory.mktemp("pytorch")
    done = subprocess.run(
        [PYTHON, "-c", SAVE, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("model", ["columns", "tensor", "exported"])
def test_what_is_answered_is_what_mlflow_predicts(
    start: Start, saved: tuple[Path, Any], tmp_path: Path, model: str
) -> None:
    folder, told = saved
    asked = Asked(told["rows"], told["direct"][model], folder / "rows.csv")
    answers_as_mlflow_does(start, Path(PYTHON), folder / model, asked, tmp_path)
