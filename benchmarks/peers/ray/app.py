"""The model as a Ray Serve deployment."""

import os
import signal

import numpy as np
import ray
from model import trained
from ray import serve
from starlette.requests import Request


@serve.deployment(
    num_replicas=int(os.environ["PROCESSES"]),
    max_ongoing_requests=64,
    ray_actor_options={"num_cpus": 0.1},
)
class Scorer:
    def __init__(self):
        self.model = trained()

    async def __call__(self, request: Request):
        asked = await request.json()
        return self.model.predict(np.array(asked["data"])).tolist()


if __name__ == "__main__":
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Scorer.bind())
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
