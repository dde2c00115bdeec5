"""Scoring script of the online deployments: rows of 64 pixels in, digits out."""

import json
import os

import joblib
import numpy as np


def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.joblib"))


def run(data):
    rows = np.asarray(json.loads(data)["data"], dtype=float)
    return {
        "digits": model.predict(rows).tolist(),
        "model": type(model).__name__,
    }
