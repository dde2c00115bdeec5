"""The model as a BentoML service, in the fastest of its ways: no thread pool between."""

import os

import bentoml
import numpy as np
from model import trained


@bentoml.service(workers=int(os.environ["PROCESSES"]), traffic={"concurrency": 64, "timeout": 30})
class Scorer:
    def __init__(self) -> None:
        self.model = trained()

    @bentoml.api
    async def score(self, data: list[list[float]]) -> list[int]:
        return self.model.predict(np.array(data)).tolist()
