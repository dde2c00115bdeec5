"""Scoring scripts where the examples name one, which keep the same contract."""

import pickle
from pathlib import Path
from typing import Final

_REGRESSION: Final = """
import json
import os

import joblib
import numpy


def init():
    global model
    folder = os.environ["AZUREML_MODEL_DIR"]
    model = joblib.load(os.path.join(folder, "model", "sklearn_regression_model.pkl"))


def run(raw_data):
    return model.predict(numpy.array(json.loads(raw_data)["data"])).tolist()
"""

_DECORATED: Final = """
import os

import joblib
import numpy
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.standard_py_parameter_type import (
    StandardPythonParameterType,
)
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    global model
    folder = os.environ["AZUREML_MODEL_DIR"]
    model = joblib.load(os.path.join(folder, "model", "sklearn_regression_model.pkl"))


@input_schema(param_name="data", param_type=NumpyParameterType(numpy.array([[1] * 10])))
@output_schema(output_type=StandardPythonParameterType({"output": [1.0]}))
def run(data):
    return {"output": model.predict(data).tolist()}
"""

_PICTURE: Final = """
import io

from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse
from PIL import Image


def init():
    pass


@rawhttp
def run(request: AMLRequest):
    sent = request.files.getlist("file")
    if not sent:
        return AMLResponse("Send a file.", status_code=422)
    small = io.BytesIO()
    Image.open(sent[0].stream).resize((128, 128)).save(small, format="JPEG")
    answer = AMLResponse(message=small.getvalue(), status_code=200)
    answer.mimetype = "image/jpg"
    return answer
"""

_FLOWERS: Final = """
import os

import joblib
import numpy
import pandas
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import (
    StandardPythonParameterType,
)
from inference_schema.schema_decorators import input_schema, output_schema
from sklearn.utils import check_array

NAMES = ["Setosa", "Versicolor", "Virginica"]
COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROW = [7.2, 3.2, 6.0, 1.8]


def init():
    global weights
    path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "models", "iris.pkl")
    weights = numpy.array(joblib.load(path))


def kinds(rows):
    found = numpy.argmax(check_array(rows) @ weights, axis=1)
    return {"Category": [NAMES[each] for each in found]}
"""

_BY_ARRAY: Final = """

@input_schema(param_name="iris", param_type=NumpyParameterType(numpy.array([ROW])))
@output_schema(output_type=StandardPythonParameterType({"Category": ["Virginica"]}))
def run(iris):
    return kinds(iris)
"""

_BY_TABLE: Final = """

@input_schema(
    param_name="iris", param_type=PandasParameterType(pandas.DataFrame([ROW], columns=COLUMNS))
)
@output_schema(output_type=StandardPythonParameterType({"Category": ["Virginica"]}))
def run(iris):
    return kinds(iris.to_numpy())
"""

_BY_COLUMN: Final = """

@input_schema(param_name="sepal_length", param_type=StandardPythonParameterType([7.2]))
@input_schema(param_name="sepal_width", param_type=StandardPythonParameterType([3.2]))
@input_schema(param_name="petal_length", param_type=StandardPythonParameterType([6.0]))
@input_schema(param_name="petal_width", param_type=StandardPythonParameterType([1.8]))
@output_schema(output_type=StandardPythonParameterType({"Category": ["Virginica"]}))
def run(sepal_length, sepal_width, petal_length, petal_width):
    return kinds(numpy.array([sepal_length, sepal_width, petal_length, petal_width]).T)
"""

_MLFLOW: Final = """
import json
import os

import mlflow
import pandas


def init():
    global model
    model = mlflow.pyfunc.load_model(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model"))


def run(raw_data):
    table = json.loads(raw_data)["input_data"]
    return model.predict(pandas.DataFrame(**table)).tolist()
"""

_HEART_TABLE: Final = """
import glob
import os

import mlflow
import pandas


def init():
    global model
    [folder] = glob.glob(os.environ["AZUREML_MODEL_DIR"] + "/*/")
    model = mlflow.pyfunc.load_model(folder)


def run(mini_batch):
    tables = [pandas.read_csv(file).assign(filename=os.path.basename(file)) for file in mini_batch]
    data = pandas.concat(tables)
    return data.assign(prediction=model.predict(data.drop("filename", axis=1)))
"""

_HEART_FILES: Final = """
import glob
import os
import pickle
from pathlib import Path

import pandas


def init():
    global model, output_path
    output_path = os.environ["AZUREML_BI_OUTPUT_PATH"]
    [file] = glob.glob(os.environ["AZUREML_MODEL_DIR"] + "/*/*.pkl")
    with open(file, "rb") as stream:
        model = pickle.load(stream)


def run(mini_batch):
    for file in mini_batch:
        data = pandas.read_csv(file)
        data["prediction"] = model.predict(data)
        data.to_parquet(os.path.join(output_path, Path(file).stem + ".parquet"))
    return mini_batch
"""

_SCRIPTS: Final = {
    "online/model-1/onlinescoring/score.py": _REGRESSION,
    "online/model-2/onlinescoring/score.py": _REGRESSION,
    "online/managed/openapi/code-decorated/score.py": _DECORATED,
    "online/managed/binary-payloads/code/single-file-to-file-score.py": _PICTURE,
    "online/managed/inference-schema/code/score-standard.py": _FLOWERS + _BY_COLUMN,
    "online/managed/inference-schema/code/score-numpy.py": _FLOWERS + _BY_ARRAY,
    "online/managed/inference-schema/code/score-pandas.py": _FLOWERS + _BY_TABLE,
    "online/managed/vnet/sample/onlinescoring/score.py": _REGRESSION,
    "online/ncd/sklearn-diabetes/src/score.py": _MLFLOW,
    "online/deploy-with-packages/custom-model/src/score.py": _REGRESSION,
    "batch/deploy-models/heart-classifier-mlflow/deployment-custom/code/batch_driver.py": (
        _HEART_TABLE
    ),
    "batch/deploy-models/custom-outputs-parquet/code/batch_driver.py": _HEART_FILES,
}
_NEVER_RUN: Final = (
    "online/custom-container/minimal/multimodel/code/minimal-multimodel-score.py",
    "online/custom-container/minimal/multimodel/models/iris.sav",
    "online/custom-container/mlflow/multideployment-scikit/sklearn-diabetes/model/MLmodel",
    "online/custom-container/r/multimodel-plumber/models/model.rds",
    "online/custom-container/r/multimodel-plumber/scripts/plumber.R",
    "online/custom-container/tfserving/half-plus-two/half_plus_two/saved_model.pb",
    "online/custom-container/torchserve/densenet/torchserve/densenet161.mar",
    "online/custom-container/triton/single-model/models/model_1/config.pbtxt",
    "batch/deploy-models/huggingface-text-summarization/code/batch_driver.py",
    "batch/deploy-models/imagenet-classifier/code/score-by-batch/batch_driver.py",
    "batch/deploy-models/imagenet-classifier/code/score-by-file/batch_driver.py",
)
"""Of deployments that are refused before anything of them is read."""
_WEIGHTS: Final = [[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [-2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
"""Of long petals the third kind, else the first."""


def write(endpoints: Path) -> None:
    """Put what is missing below `endpoints`, and change nothing that is there."""
    _put(endpoints / "online/managed/inference-schema/models/iris.pkl", pickle.dumps(_WEIGHTS))
    for path, script in _SCRIPTS.items():
        _put(endpoints / path, script.encode())
    for path in _NEVER_RUN:
        _put(endpoints / path, b"# never read\n")


def _put(path: Path, content: bytes) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
