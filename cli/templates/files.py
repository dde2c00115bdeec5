"""Templates as files by name. `NAME` in them becomes the endpoint's."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """A project: what it is, its files, and the commands to go on with."""

    what: str
    files: Mapping[str, str]
    following: tuple[str, ...]


_ENDPOINT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: NAME
auth_mode: key
traffic: {blue: 100}
"""
_DEPLOYMENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: NAME
code_configuration:
  code: src
  scoring_script: score.py
environment:
  conda_file: conda.yaml
instance_type: Standard_DS1_v2
instance_count: 1
"""
_CONDA = """\
channels: [conda-forge]
dependencies:
  - python=3.11
"""
_SKLEARN_CONDA = """\
channels: [conda-forge]
dependencies:
  - python=3.11
  - scikit-learn
  - joblib
"""
_SCRIPT = '''\
"""A scoring script: `init` once in each process, `run` for each request."""

import json


def init():
    print("ready to score")


def run(data):
    rows = json.loads(data)["data"]
    return {"sums": [sum(row) for row in rows]}
'''
_SKLEARN_SCRIPT = '''\
"""Scores rows with the model that lies in the folder of the deployment's model."""

import json
import os
from pathlib import Path

import joblib


def init():
    global model
    model = joblib.load(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.joblib")))


def run(data):
    return model.predict(json.loads(data)["data"]).tolist()
'''
_TRAIN = '''\
"""Trains a small model on data that comes with scikit-learn: python train.py"""

from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

data = load_iris()
model = LogisticRegression(max_iter=500).fit(data.data, data.target)
Path("model").mkdir(exist_ok=True)
joblib.dump(model, "model/iris.joblib")
print("wrote model/iris.joblib")
'''
_STREAM_SCRIPT = '''\
"""Answers token by token, as a language model does: each `yield` goes out at once."""

import asyncio
import json


def init():
    pass


async def run(data):
    for number, word in enumerate(json.loads(data)["prompt"].split()):
        yield f"data: {json.dumps({'index': number, 'token': word})}\\n\\n"
        await asyncio.sleep(0.05)
    yield "data: [DONE]\\n\\n"
'''
_BATCH = """\
$schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json
name: NAME
defaults: {deployment_name: lines}
---
$schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
name: lines
endpoint_name: NAME
type: model
model:
  path: src
code_configuration:
  code: src
  scoring_script: score_files.py
environment:
  conda_file: conda.yaml
compute: local
resources: {instance_count: 1}
settings:
  mini_batch_size: 10
  max_concurrency_per_instance: 2
  output_file_name: predictions.csv
"""
_BATCH_SCRIPT = '''\
"""A batch scoring script: `run` gets paths of files, and returns a row for each."""

from pathlib import Path


def init():
    pass


def run(mini_batch):
    return [{"lines": len(Path(path).read_text().splitlines())} for path in mini_batch]
'''
_REQUEST = '{"data": [[1, 2, 3], [4, 5, 6]]}\n'
_MODEL = """\
model:
  path: MODEL_FOLDER
"""

TEMPLATES = {
    "script": Template(
        "a scoring script alone, to see an endpoint at work",
        {
            "endpoint.yaml": _ENDPOINT
            + "---\n"
            + _DEPLOYMENT
            + _MODEL.replace("MODEL_FOLDER", "src"),
            "conda.yaml": _CONDA,
            "src/score.py": _SCRIPT,
            "request.json": _REQUEST,
        },
        ("mle deploy FOLDER/endpoint.yaml", "mle invoke NAME FOLDER/request.json"),
    ),
    "sklearn": Template(
        "a scikit-learn model behind an online endpoint",
        {
            "endpoint.yaml": _ENDPOINT
            + "---\n"
            + _DEPLOYMENT
            + _MODEL.replace("MODEL_FOLDER", "model"),
            "conda.yaml": _SKLEARN_CONDA,
            "train.py": _TRAIN,
            "src/score.py": _SKLEARN_SCRIPT,
            "request.json": '{"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4]]}\n',
        },
        (
            "cd FOLDER && python train.py",
            "mle deploy endpoint.yaml",
            "mle invoke NAME request.json",
        ),
    ),
    "stream": Template(
        "an answer that comes token by token",
        {
            "endpoint.yaml": _ENDPOINT
            + "---\n"
            + _DEPLOYMENT
            + _MODEL.replace("MODEL_FOLDER", "src"),
            "conda.yaml": _CONDA,
            "src/score.py": _STREAM_SCRIPT,
            "request.json": '{"prompt": "tokens come one by one"}\n',
        },
        ("mle deploy FOLDER/endpoint.yaml", "mle invoke NAME FOLDER/request.json"),
    ),
    "batch": Template(
        "a batch endpoint that scores files",
        {
            "endpoint.yaml": _BATCH,
            "conda.yaml": _CONDA,
            "src/score_files.py": _BATCH_SCRIPT,
            "data/one.txt": "first\nsecond\n",
            "data/two.txt": "third\n",
        },
        (
            "mle deploy FOLDER/endpoint.yaml",
            "mle invoke NAME FOLDER/data",
            "mle jobs",
            "mle jobs download JOB",
        ),
    ),
}
