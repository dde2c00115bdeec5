"""Models in containers beside the same ones as local processes, through two whole hosts.

    python -m benchmarks.nodes.containers --engine unix:///path --base IMAGE:{python}

Asked in turns at 1 and at 32 connections: one worker, which answers TCP itself, and two behind the
agent's hop. Then from the PUT of a deployment to its first 200, its environment and image there.
The base image is one as ML_ENDPOINTS_CONTAINER_BASE_IMAGE names it.
"""

import argparse
import asyncio
import contextlib
import http.client
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.http_load import Target, closed_loop
from outside import serving
from outside.running_host import RunningHost
from outside.waiting import until

SCRIPT = "def init():\n    pass\n\n\ndef run(data):\n    return [1]\n"
BODY = b'{"data": [[5.1, 3.5, 1.4, 0.2]]}' * 3
ENDPOINT = "bench"
LIMITS = {"maxConcurrentRequestsPerInstance": 64, "requestTimeout": "PT60S"}
WORKERS = {"one": 1, "two": 2}
CONNECTIONS = (1, 32)
STARTS = 5


class Place:
    """A host whose models run in one kind of place."""

    def __init__(self, name: str, host: RunningHost) -> None:
        self.name, self.host = name, host
        self.rates: dict[tuple[str, int], list[float]] = defaultdict(list)
        self.halves: dict[tuple[str, int], list[float]] = defaultdict(list)
        self.starts: list[float] = []
        serving.environment(host)
        serving.endpoint(host, ENDPOINT)
        self._code = serving.codes(host, ENDPOINT, {"score.py": SCRIPT})
        for deployment, workers in WORKERS.items():
            self._deploy(deployment, WORKER_COUNT=str(workers))
        self._key = serving.key(host, ENDPOINT)
        self._url = f"{host.url}/endpoints/{ENDPOINT}/score"

    def _deploy(self, name: str, **variables: str) -> None:
        path = f"{ENDPOINT}/{name}"
        told = {"requestSettings": LIMITS, "environmentVariables": variables}
        serving.deploy(self.host, path, self._code, **told)

    async def load(self, deployment: str, connections: int, seconds: float, keep: bool) -> None:
        headers = f"azureml-model-deployment: {deployment}\r\n"
        target = Target(self._url, self._key, BODY, headers=headers)
        outcome = await closed_loop(target, connections, seconds)
        target.close()
        if set(outcome.statuses) != {200}:
            raise SystemExit(f"{self.name}, {deployment}: {dict(outcome.statuses)}")
        if keep:
            self.rates[deployment, connections].append(outcome.rate())
            self.halves[deployment, connections].append(outcome.quantile(0.5) * 1e3)

    def start(self, number: int) -> None:
        """From a PUT to the first 200, asked for without a pause."""
        name = f"new{number}"
        path = f"onlineEndpoints/{ENDPOINT}/deployments/{name}"
        variables = {"NUMBER": str(number)}
        body = serving.deployment_body(
            self.host, self._code, requestSettings=LIMITS, environmentVariables=variables
        )
        began = time.perf_counter()
        self.host.workspace.call("PUT", path, body)
        while self._status(name) != 200:
            time.sleep(0.01)
        self.starts.append(time.perf_counter() - began)
        until(
            lambda: self.host.workspace.get(path)["properties"]["provisioningState"] == "Succeeded"
        )
        self.host.workspace.mutate("DELETE", path)

    def _status(self, deployment: str) -> int:
        parts = urlsplit(self._url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
        with contextlib.closing(connection):
            headers = {
                "authorization": f"Bearer {self._key}",
                "azureml-model-deployment": deployment,
                "content-type": "application/json",
            }
            connection.request("POST", parts.path, BODY, headers)
            return connection.getresponse().status


def report(local: Place, boxed: Place) -> str:
    lines = [
        "| processes | connections | local, requests/s | boxed | share | p50 ms, local | more |",
        "|---|---|---|---|---|---|---|",
    ]
    for deployment, workers in WORKERS.items():
        for connections in CONNECTIONS:
            at = deployment, connections
            rates = [statistics.median(each.rates[at]) for each in (local, boxed)]
            halves = [statistics.median(each.halves[at]) for each in (local, boxed)]
            # Of neighbours in time: what else the machine does hits both.
            pairs = zip(local.rates[at], boxed.rates[at], strict=True)
            share = statistics.median(there / here for here, there in pairs)
            both = zip(local.halves[at], boxed.halves[at], strict=True)
            more = statistics.median(there - here for here, there in both)
            figures = (
                f"{rates[0]:,.0f} | {rates[1]:,.0f} | {share:.2f} | {halves[0]:.2f} | {more:+.2f}"
            )
            lines.append(f"| {workers} | {connections} | {figures} |")
    for place in (local, boxed):
        told = ", ".join(f"{each:.2f}" for each in sorted(place.starts))
        half = statistics.median(place.starts)
        lines.append(f"from PUT to the first 200, {place.name}: {half:.2f} s (of {told})")
    return "\n".join(lines) + "\n"


async def loads(places: list[Place], rounds: int, seconds: float) -> None:
    for deployment in WORKERS:
        for place in places:
            await place.load(deployment, 32, 2 * seconds, keep=False)
        for number in range(rounds):
            for connections in CONNECTIONS:
                for place in places if number % 2 else places[::-1]:
                    await place.load(deployment, connections, seconds, keep=True)


def main(engine: str, base: str, rounds: int, seconds: float) -> None:
    boxed = {
        "ML_ENDPOINTS_COMPUTE": "docker",
        "ML_ENDPOINTS_CONTAINER_ENGINE": engine,
        "ML_ENDPOINTS_CONTAINER_BASE_IMAGE": base,
    }
    arguments = ("--port", "0", "--http")
    with tempfile.TemporaryDirectory(prefix="ndc") as told:
        folder = Path(told)
        with (
            RunningHost(folder / "local", *arguments) as here,
            RunningHost(folder / "boxed", *arguments, environment=boxed) as there,
        ):
            places = [Place("local", here), Place("container", there)]
            try:
                asyncio.run(loads(places, rounds, seconds))
                for number in range(STARTS):
                    for place in places:
                        place.start(number)
                sys.stdout.write(report(*places))
            finally:
                there.workspace.mutate("DELETE", f"onlineEndpoints/{ENDPOINT}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="unix:///var/run/docker.sock")
    parser.add_argument("--base", default="python:{python}-slim")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    asked = parser.parse_args()
    main(asked.engine, asked.base, asked.rounds, asked.seconds)
