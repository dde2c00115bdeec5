"""MLflow models without a script, over files: real models, by the real MLflow."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.harness import Start
from tests.runtime.work_units import events, unit

pytestmark = pytest.mark.skipif(
    not os.environ.get("EXAMPLES_TESTS"),
    reason="models are saved and loaded by MLflow where EXAMPLES_TESTS=1 asks for it, as in CI",
)

SAVE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow.pyfunc, mlflow.sklearn, numpy, pandas
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import Schema, TensorSpec
from PIL import Image
from sklearn.linear_model import LogisticRegression

folder = sys.argv[1]
table = pandas.DataFrame({"a": [1.0, 2.0, 4.0, 8.0], "b": [1, 2, 3, 4]})
model = LogisticRegression().fit(table, ["low", "low", "high", "high"])
signature = infer_signature(table, model.predict(table))
how = {"pip_requirements": ["mlflow-skinny"], "serialization_format": "cloudpickle"}
mlflow.sklearn.save_model(model, folder + "/table", signature=signature, **how)

class Brightness(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input.mean(axis=(1, 2))

shape = Schema([TensorSpec(numpy.dtype("float32"), (-1, 2, 2, 3))])
mlflow.pyfunc.save_model(
    folder + "/picture",
    python_model=Brightness(),
    signature=ModelSignature(shape),
    pip_requirements=["mlflow-skinny"],
)
mlflow.pyfunc.save_model(
    folder + "/broken", python_model=Brightness(), pip_requirements=["mlflow-skinny"]
)

table.to_csv(folder + "/first.csv", index=False)
table.assign(c="more").to_json(folder + "/second.jsonl", orient="records", lines=True)
pixels = numpy.arange(12, dtype=numpy.uint8).reshape(2, 2, 3)
Image.fromarray(pixels).save(folder + "/pixels.png")
Image.fromarray(pixels[:, :, 0]).save(folder + "/grey.png")
direct = mlflow.pyfunc.load_model(folder + "/table").predict(table)
print(json.dumps(list(direct)))
"""


@pytest.fixture(scope="module")
def saved(mlflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of models and files, and what MLflow itself predicts of the tables."""
    folder = tmp_path_factory.mktemp("models")
    command = [str(mlflow_python), "-c", SAVE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    broken = folder / "broken" / "MLmodel"
    text = broken.read_text()
    broken.write_text(
        text.replace("loader_module: mlflow.pyfunc.model", "loader_module: lacking.x")
    )
    return folder, json.loads(done.stdout.splitlines()[-1])


def given(folder: Path, *names: str) -> list[dict[str, str]]:
    return [{"name": f"data/{name}", "url": (folder / name).as_uri()} for name in names]


def test_tables_are_scored_as_by_mlflow_itself_and_a_bad_file_alone_fails(
    start: Start, mlflow_python: Path, saved: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, direct = saved
    (tmp_path / "lacking.csv").write_text("a\n1.0\n")
    (tmp_path / "words.csv").write_text("a,b\n1.0,two\n")
    (tmp_path / "notes.txt").write_text("none")
    bad = given(tmp_path, "lacking.csv", "words.csv", "notes.txt")
    app = folder / "table"
    server = start(None, "work", "--mlflow", python=mlflow_python, app_root=app).ready()
    block = tmp_path / "block"
    tables = given(folder, "first.csv", "second.jsonl")
    body = unit(tables, *([each] for each in bad), block=block.as_uri(), tries=3)
    told = [event for event in events(server, body) if event["event"] == "ended"]
    assert block.read_text().splitlines() == [
        f"data/{name},{row},{prediction}"
        for name in ("first.csv", "second.jsonl")
        for row, prediction in enumerate(direct)
    ]
    assert [(event["succeeded"], event["returned"]) for event in told] == [
        (True, 2),
        *[(False, 0)] * 3,
    ]
    lacking, words, notes = (event["error"] for event in told[1:])
    assert "b" in lacking
    assert words.startswith("words.csv cannot be read as .csv: ")
    assert notes.startswith("notes.txt is of no kind that is read")
    assert [event["tries"] for event in told[2:]] == [1, 1], "of the same file no more is expected"


def test_pictures_are_given_in_the_signature_s_shape(
    start: Start, mlflow_python: Path, saved: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, _ = saved
    (tmp_path / "broken.png").write_bytes(b"no picture")
    app = folder / "picture"
    server = start(None, "work", "--mlflow", python=mlflow_python, app_root=app).ready()
    block = tmp_path / "block"
    pictures = given(folder, "pixels.png", "grey.png")
    body = unit(pictures, given(tmp_path, "broken.png"), block=block.as_uri())
    *_, failed, end = (e for e in events(server, body) if e["event"] in ("ended", "block"))
    # Pixels are 0 to 11, three channels each; the grey ones are every third of them.
    assert block.read_text() == "data/pixels.png,0,4.5,5.5,6.5\ndata/grey.png,0,4.5,4.5,4.5\n"
    assert end["columns"][2:] == ["prediction_0", "prediction_1", "prediction_2"]
    assert failed["error"].startswith("broken.png cannot be read as an image: ")


@pytest.mark.parametrize("command", ["work", "serve"])
def test_what_a_model_cannot_be_loaded_for_is_told_with_what_to_do(
    start: Start, mlflow_python: Path, saved: tuple[Path, Any], command: str
) -> None:
    app = saved[0] / "broken"
    if command == "serve":
        text = (app / "MLmodel").read_text()
        signature = 'signature:\n  inputs: \'[{"type": "double", "name": "a"}]\'\n'
        (app / "MLmodel").write_text(text + signature)
    server = start(None, command, "--mlflow", python=mlflow_python, app_root=app)
    server.exit_code()
    last = json.loads(server.log.splitlines()[-1])
    assert last["code"] == "UserScriptInitFailed"
    assert (
        "needs the module 'lacking', which its environment lacks. Add the package"
        in (last["message"])
    )
