"""What micro-batching is worth for a model whose batched predict is cheaper, and what a wake
from zero costs with its environment warm.

A random forest of 100 trees, one row a request, 32 callers in a closed loop, one process,
through the whole path: embedded host in its own process, key, routing; plain HTTP.

    python -m benchmarks.micro_batching [--seconds N] [--callers N]
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import uvloop

from benchmarks.http_load import Outcome, Target, closed_loop
from outside import serving
from outside.running_host import ROOT, RunningHost
from outside.waiting import until

FOREST = """
import json
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

def init():
    global model
    rows, digits = load_digits(return_X_y=True)
    model = RandomForestClassifier(100, random_state=0).fit(rows, digits)

def run(data):
    return model.predict(np.asarray(json.loads(data)["data"], dtype=float)).tolist()

def run_batch(requests):
    rows = [np.asarray(json.loads(data)["data"], dtype=float) for data in requests]
    found = model.predict(np.concatenate(rows)).tolist()
    ends = np.cumsum([len(each) for each in rows])
    return [found[end - len(each):end] for each, end in zip(rows, ends)]
"""
BARE = """
def init(): pass
def run(data): return 1
"""
SLEEPS = {"scaleSettings": {"scaleType": "TargetUtilization", "minInstances": 0}}
LIMITS = {
    **serving.USUAL,
    "maxConcurrentRequestsPerInstance": 64,
    "requestTimeout": "PT30S",
}
BATCHES = {"ML_ENDPOINTS_MAX_BATCH": "64", "ML_ENDPOINTS_MAX_BATCH_DELAY_MS": "5"}
ROW = json.dumps({"data": [[float(i % 17) for i in range(64)]]}).encode()


def batches(host: RunningHost, callers: int, seconds: float) -> float:
    """How many times the requests/s of none micro-batching gives."""
    rates = {}
    for name in ("alone", "batched"):
        for count in (1, callers):
            found = uvloop.run(_load(host, name, count, seconds))
            assert set(found.statuses) == {200}, found.statuses
            rates[name, count] = found.rate()
            sys.stdout.write(
                f"{name:8} {count:3d} callers  {found.rate():7.1f} requests/s  "
                f"p50 {found.quantile(0.5) * 1000:6.1f} ms  "
                f"p99 {found.quantile(0.99) * 1000:6.1f} ms\n"
            )
    times = rates["batched", callers] / rates["alone", callers]
    sys.stdout.write(
        f"micro-batching: {times:.1f} x the requests/s of none, at {callers} callers\n"
    )
    return times


async def _load(host: RunningHost, name: str, callers: int, seconds: float) -> Outcome:
    target = Target(f"{host.url}/endpoints/{name}/score", serving.key(host, name), ROW)
    await closed_loop(target, callers, 1.0)
    found = await closed_loop(target, callers, seconds)
    target.close()
    return found


def wakes(host: RunningHost, name: str, rounds: int) -> None:
    """Each time: asleep, then one request, from its start to its answer."""
    url = f"{host.url}/endpoints/{name}/score"

    def instances() -> object:
        found = host.workspace.get(f"onlineEndpoints/{name}/deployments/blue")
        return found["properties"]["scaleStatus"]["instances"]

    taken = []
    headers = {"authorization": f"Bearer {serving.key(host, name)}"}
    with httpx.Client(headers=headers, timeout=30) as caller:
        for _ in range(rounds):
            until(lambda: instances() == 0, patience=60, what="sleep")
            until(lambda: not host.processes(" serve "), what="no process")
            started = time.perf_counter()
            assert caller.post(url, content=ROW).status_code == 200
            taken.append(time.perf_counter() - started)
    told = ", ".join(f"{each:.2f}" for each in taken)
    sys.stdout.write(f"wake from zero to the first 200, {name}: {told} s\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--callers", type=int, default=32)
    arguments = parser.parse_args()
    run(arguments.callers, arguments.seconds, with_wakes=True)


def run(callers: int, seconds: float, *, with_wakes: bool = False) -> float:
    """On a host of its own; the same as `batches`."""
    conda = (ROOT / "examples/digits/environment/conda.yaml").read_text()
    idle = {"ML_ENDPOINTS_SCALE_IDLE_TIME": "2"}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with RunningHost(data, "--port", "0", "--http", environment=idle) as host:
            code = serving.codes(host, "forest", {"score.py": FOREST})
            serving.environment(host, conda=conda)
            settings: dict[str, dict[str, Any]] = {
                "alone": {},
                "batched": {"environmentVariables": BATCHES},
                "sleeper": SLEEPS,
                "bare": SLEEPS,
            }
            bare = serving.codes(host, "bare", {"score.py": BARE})
            for name, more in settings.items():
                serving.endpoint(host, name)
                script = bare if name == "bare" else code
                serving.deploy(host, f"{name}/blue", script, requestSettings=LIMITS, **more)
                serving.traffic(host, name, blue=100)
            times = batches(host, callers, seconds)
            if not with_wakes:
                return times
            for name in ("alone", "batched"):
                path = f"onlineEndpoints/{name}"
                host.workspace.mutate("PATCH", path, {"properties": {"traffic": {}}})
                host.workspace.mutate("DELETE", path)
            for name in ("sleeper", "bare"):
                wakes(host, name, 5)
            return times


if __name__ == "__main__":
    main()
