"""The model that every server here serves, and the one row that it is asked for."""

from typing import Any

ROW = [0.411, -1.274, 2.037, 0.958, -0.663, 1.482, -2.195, 0.127, 3.006, -0.849]
CLASS = 1
"""What the model says of ROW."""


def trained() -> Any:
    """The same coefficients in every process: data and solver are deterministic."""
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression

    rows, classes = make_classification(
        1000, n_features=10, n_informative=6, n_classes=3, random_state=0
    )
    return LogisticRegression(max_iter=500).fit(rows, classes)
