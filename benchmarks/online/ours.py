"""Ours through the whole path: the embedded host in a process of its own, key auth, routing,
metrics and the request log on, plain HTTP."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.online.servers import CONCURRENT, Question, Running, first_answer
from outside import serving
from outside.running_host import RunningHost

APPS = Path(__file__).parents[1] / "peers"
ENDPOINT = "bench"
DEPLOYMENTS = ("blue", "green")
CONDA = """name: bench
dependencies:
  - python=3.11
  - pip
  - pip:
      - scikit-learn==1.9.1
"""
LIMITS = {
    **serving.USUAL,
    "maxConcurrentRequestsPerInstance": CONCURRENT,
    "requestTimeout": "PT30S",
}


def code(host: RunningHost) -> str:
    """The script and the model of the whole comparison; the id to name them by."""
    scripts = {name: (APPS / name).read_text() for name in ("score.py", "model.py")}
    return serving.codes(host, "bench", scripts)


def question(host: RunningHost, endpoint: str = ENDPOINT, **headers: str) -> Question:
    key = serving.key(host, endpoint)
    url = f"{host.url}/endpoints/{endpoint}/score"
    return Question(url, headers={"Authorization": f"Bearer {key}", **headers})


def deployed(host: RunningHost, names: tuple[str, ...] = DEPLOYMENTS[:1], **more: Any) -> None:
    """The endpoint with these deployments, one model process each and an equal share."""
    script = code(host)
    serving.environment(host, conda=CONDA)
    serving.endpoint(host, ENDPOINT)
    for name in names:
        serving.deploy(host, f"{ENDPOINT}/{name}", script, requestSettings=LIMITS, **more)
    shares = {name: 100 // len(names) for name in names}
    serving.traffic(host, ENDPOINT, **shares)


class Ours:
    """One data folder for each number of model processes; its environments are built, and its
    deployments made, before anything is measured."""

    name = "ml-endpoints"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: set[int] = set()

    @contextlib.contextmanager
    def running(self, processes: int) -> Iterator[Running]:
        data = self._folder / f"of-{processes}"
        if processes not in self._made:
            with RunningHost(data, "--port", "0", "--http") as host:
                deployed(host, DEPLOYMENTS[:processes])
            self._made.add(processes)
        started = time.perf_counter()
        with RunningHost(data, "--port", "0", "--http") as host:
            for name in DEPLOYMENTS[:processes]:
                first_answer(question(host, **{"azureml-model-deployment": name}))
            yield Running(question(host), host.pid, time.perf_counter() - started)
