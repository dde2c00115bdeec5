"""Train two versions of a classifier on scikit-learn's handwritten digits.

The data set is real: 1,797 scans of 8 x 8 pixels from the UCI repository, which
scikit-learn ships. Version 1 is a logistic regression, version 2 a random forest.

    python examples/digits/train.py --output models
"""

import argparse
import json
from pathlib import Path

import joblib
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def candidates() -> dict[str, ClassifierMixin]:
    """The estimators by the version they become."""
    return {
        "1": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        "2": RandomForestClassifier(n_estimators=60, random_state=0),
    }


def train(output: Path) -> dict[str, float]:
    """Write `<output>/<version>/model.joblib` and `metrics.json` for each version, and
    return the accuracy of each on the quarter of the data held back."""
    digits = load_digits(as_frame=True)
    rows, held_back, labels, truth = train_test_split(
        digits.data, digits.target, test_size=0.25, random_state=0, stratify=digits.target
    )
    accuracies: dict[str, float] = {}
    for version, model in candidates().items():
        model.fit(rows, labels)
        accuracies[version] = float(model.score(held_back, truth))
        folder = output / version
        folder.mkdir(parents=True, exist_ok=True)
        joblib.dump(model, folder / "model.joblib")
        (folder / "metrics.json").write_text(json.dumps({"accuracy": accuracies[version]}))
    return accuracies


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("models"))
    for number, accuracy in train(parser.parse_args().output).items():
        print(f"version {number}: accuracy {accuracy:.3f} on the rows held back")
