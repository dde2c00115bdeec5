"""The files that every way scores, and the model they are scored with: the same bytes in every
run."""

from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

ROWS = 100
COLUMNS = 10


def make_files(folder: Path, count: int) -> None:
    """`count` CSV files of 100 rows x 10 columns under a header."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    header = ",".join(f"x{column}" for column in range(COLUMNS))
    for number in range(count):
        rows = random.normal(size=(ROWS, COLUMNS))
        name = folder / f"rows-{number:06d}.csv"
        np.savetxt(name, rows, fmt="%.6f", delimiter=",", header=header, comments="")


def make_model(path: Path) -> None:
    """Deterministic: data and solver are."""
    rows, classes = make_classification(
        1000, n_features=COLUMNS, n_informative=6, n_classes=3, random_state=0
    )
    joblib.dump(LogisticRegression(max_iter=500).fit(rows, classes), path)
