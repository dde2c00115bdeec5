"""The model as a LitServe API."""

import os

import litserve
import numpy as np
from model import trained


class Scorer(litserve.LitAPI):
    def setup(self, device):
        self.model = trained()

    def decode_request(self, request):
        return np.array(request["data"])

    def predict(self, x):
        return self.model.predict(x)

    def encode_response(self, output):
        return output.tolist()


if __name__ == "__main__":
    litserve.LitServer(
        Scorer(), accelerator="cpu", workers_per_device=int(os.environ["PROCESSES"])
    ).run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
