"""The scoring script of our batch deployment: the contract's two functions around
`score_files`, as a user writes them."""

import os
from collections.abc import Sequence
from typing import Any

import score_files

model: Any = None


def init() -> None:
    global model  # noqa: PLW0603 - Azure ML's contract
    model = score_files.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.joblib"))


def run(mini_batch: Sequence[str]) -> Any:
    return score_files.score(model, mini_batch)
