"""How soon an instance that is killed, hangs or is cut off is out of the route, and replaced.

    python -m benchmarks.nodes.recovery --engine unix:///path --base IMAGE:{python} [--rounds 3]

A host has two containers of one deployment, which answer at once, and four callers ask without a
pause. One container is killed, paused, or taken off its network; then it is told how long it was
among those that gateways are told of (the document that they read), when the last request failed,
how many did, and when there were two that answer again. A gateway on another host uses what it has
read for two seconds: those come on top of the first figure there.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from infra.compute.docker.engine import Engine
from infra.compute.docker.labels import KEY
from outside import serving
from outside.running_host import RunningHost
from outside.waiting import until

SCRIPT = "def init():\n    pass\n\n\ndef run(data):\n    return [1]\n"
ENDPOINT = "bench"
LIMITS = {"maxConcurrentRequestsPerInstance": 8, "requestTimeout": "PT2S", "maxQueueWait": "PT2S"}
STRIKES = ("kill", "pause", "disconnect")
CALLERS = 4
LOOK = 0.02


class Callers:
    """`faults` are when a request that had no good answer ended."""

    def __init__(self, host: RunningHost, deployment: str) -> None:
        self.faults: list[float] = []
        self.answers = 0
        self._host, self._deployment = host, deployment
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CALLERS)]

    def _run(self) -> None:
        with serving.caller(self._host, ENDPOINT) as client:
            client.headers["azureml-model-deployment"] = self._deployment
            while not self._over.is_set():
                try:
                    is_good = client.post("", json=1).status_code == 200
                except httpx.HTTPError:
                    is_good = False
                if is_good:
                    self.answers += 1
                else:
                    self.faults.append(time.monotonic())

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def ready(host: RunningHost, deployment: str) -> frozenset[str]:
    """Where the instances are that gateways are told of."""
    query = "SELECT body FROM documents WHERE kind = 'readyInstances'"
    with closing(sqlite3.connect(host.data_dir / "documents.db")) as documents:
        found = documents.execute(query).fetchone()
    deployments: dict[str, Any] = json.loads(found[0])["deployments"] if found else {}
    nodes = deployments.get(f"online/{ENDPOINT}/{deployment}", {}).get("nodes", [])
    return frozenset(address.rpartition(":")[0] for _, address in nodes)


class Containers:
    """By what an engine is asked, one call at a time."""

    def __init__(self, url: str) -> None:
        self._url = url

    def _asked(self, call: Callable[[Engine], Any]) -> Any:
        async def ask() -> Any:
            engine = Engine(self._url)
            try:
                return await call(engine)
            finally:
                await engine.close()

        return asyncio.run(ask())

    def address(self, victim: Any) -> str:
        [network] = victim["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def there(self, deployment: str) -> list[Any]:
        label = [f"{KEY}=online/{ENDPOINT}/{deployment}"]
        found: list[Any] = self._asked(lambda e: e.get("containers/json", filters={"label": label}))
        return found

    def strike(self, victim: Any, what: str) -> None:
        if what == "disconnect":
            [network] = victim["NetworkSettings"]["Networks"].values()
            body = {"Container": victim["Id"], "Force": True}
            path = f"networks/{network['NetworkID']}/disconnect"
            self._asked(lambda engine: engine.post(path, body))
        else:
            self._asked(lambda engine: engine.post(f"containers/{victim['Id']}/{what}"))


Figures = tuple[float, float, float, int]


def struck(host: RunningHost, containers: Containers, deployment: str, what: str) -> Figures:
    """Seconds until it is out, until the last request has failed (0: none has), until there are two
    again; and how many have failed."""
    mine = ready(host, deployment)
    victim = next(e for e in containers.there(deployment) if containers.address(e) in mine)
    gone = containers.address(victim)
    with Callers(host, deployment) as callers:
        until(lambda: callers.answers > 50 * CALLERS, "answers", every=LOOK)
        began = time.monotonic()
        containers.strike(victim, what)
        until(lambda: gone not in ready(host, deployment), what, every=LOOK)
        out = time.monotonic() - began
        until(lambda: len(ready(host, deployment)) == 2, "another in its place", every=LOOK)
        again = time.monotonic() - began
    last = max((at - began for at in callers.faults), default=0.0)
    return out, last, again, len(callers.faults)


def report(figures: dict[str, list[Figures]]) -> str:
    lines = ["| | out of the route, s | last failure, s | failed | two again, s |"]
    lines.append("|---|---|---|---|---|")
    for what, rounds in figures.items():
        outs, lasts, agains, faults = zip(*rounds, strict=True)
        cells = (
            f"{statistics.median(outs):.2f} (of {min(outs):.2f} to {max(outs):.2f})",
            f"{max(lasts):.2f}",
            f"{max(faults)} of {CALLERS} callers' at most",
            f"{statistics.median(agains):.1f}",
        )
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(engine: str, base: str, rounds: int) -> None:
    settings = {
        "ML_ENDPOINTS_COMPUTE": "docker",
        "ML_ENDPOINTS_CONTAINER_ENGINE": engine,
        "ML_ENDPOINTS_CONTAINER_BASE_IMAGE": base,
    }
    figures: dict[str, list[Figures]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="recovery") as folder,
        RunningHost(Path(folder) / "data", environment=settings) as host,
    ):
        serving.environment(host)
        serving.endpoint(host, ENDPOINT)
        code = serving.codes(host, ENDPOINT, {"score.py": SCRIPT})
        try:
            for number in range(rounds):
                for what in STRIKES:
                    # Anew: one that dies often is begun again later each time.
                    name = f"{what}{number}"
                    path = f"{ENDPOINT}/{name}"
                    serving.deploy(host, path, code, count=2, requestSettings=LIMITS)
                    figures[what].append(struck(host, Containers(engine), name, what))
                    host.workspace.mutate(
                        "DELETE", f"onlineEndpoints/{ENDPOINT}/deployments/{name}"
                    )
        finally:
            host.workspace.mutate("DELETE", f"onlineEndpoints/{ENDPOINT}")
    sys.stdout.write(report(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    main(told.engine, told.base, told.rounds)
