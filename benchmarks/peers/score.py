"""The scoring script, for us and for azureml-inference-server-http alike."""

import json
from typing import Any

import numpy as np
from model import trained

model: Any = None


def init() -> None:
    global model  # noqa: PLW0603 - Azure ML's contract
    model = trained()


def run(data: str) -> list[int]:
    found: list[int] = model.predict(np.array(json.loads(data)["data"])).tolist()
    return found
