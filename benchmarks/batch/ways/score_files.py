"""What every way runs: one model, one way to read a file, one way to predict. Nothing else of
this folder touches a file's content or the model."""

import functools
import hashlib
import os
from collections.abc import Sequence
from typing import Any

import joblib
import numpy as np
import pandas as pd

FILES_A_CALL = 50
WORKERS = 2


def load(path: str) -> Any:
    return joblib.load(path)


@functools.cache
def loaded(path: str) -> Any:
    """The model, loaded once in each process: for ways whose tasks have no place to keep it."""
    return load(path)


def read(path: str) -> Any:
    """The file's rows; with `BENCH_READER` "numpy" by numpy instead of pandas."""
    if os.environ.get("BENCH_READER") == "numpy":
        return np.loadtxt(path, delimiter=",", skiprows=1)
    return pd.read_csv(path).to_numpy()


def score(model: Any, paths: Sequence[str]) -> Any:
    """An array: the class of each row of `paths`, one call of the model for all."""
    return model.predict(np.concatenate([read(path) for path in paths]))


def digest(predictions: Any) -> str:
    """Equal for equal predictions in whatever order."""
    return hashlib.sha256(np.sort(np.asarray(predictions, dtype=np.int64)).tobytes()).hexdigest()


def digest_in_order(predictions: Any) -> str:
    return hashlib.sha256(np.asarray(predictions, dtype=np.int64).tobytes()).hexdigest()
