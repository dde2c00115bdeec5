"""Scoring script of the batch deployment: CSV files of pixels in, a row for each row out."""

import os

import joblib
import pandas as pd


def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.joblib"))


def run(mini_batch):
    """`mini_batch` holds paths; one table for each file keeps rows with their file."""
    tables = []
    for path in mini_batch:
        pixels = pd.read_csv(path).to_numpy()
        probabilities = model.predict_proba(pixels)
        tables.append(
            pd.DataFrame(
                {
                    "digit": model.classes_[probabilities.argmax(axis=1)],
                    "probability": probabilities.max(axis=1).round(4),
                }
            )
        )
    return tables
