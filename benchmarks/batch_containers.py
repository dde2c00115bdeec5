"""Batch jobs through containers beside the same jobs on local processes.

    ML_ENDPOINTS_CONTAINER_ENGINE=unix:///… python -m benchmarks.batch_containers
        [--rounds 5] [--files 2000] [--base IMAGE]

Two hosts are up, one of each; a round is each job once on either, in turn. Workers are up and
warm by a first job of the same kind: start-up is left out. A job's time is from its start to its
end, as it says them itself. `make engine` keeps an engine up, and prints what to export.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from infra.compute.docker.engine import Engine
from infra.compute.docker.labels import INSTALLATION
from infra.compute.remote.installation import Installation
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost

ENGINE: Final = "ML_ENDPOINTS_CONTAINER_ENGINE"
BASE: Final = "ML_ENDPOINTS_CONTAINER_BASE_IMAGE"
WORKERS: Final = 2
READS = """
import csv, math
def init(): pass
def score(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    return [math.tanh(sum(float(value) * 0.1 for value in row)) for row in rows]
def run(files): return [[{"score": each} for each in score(path)] for path in files]
"""
SLEEPS = """
import time
def init(): pass
def run(files):
    time.sleep(0.05)
    return [0] * len(files)
"""
NOOP = """
def init(): pass
def run(files): return [0] * len(files)
"""
JOBS: Final = {
    "reads 100 rows x 10 columns a file, 50 files a call": (READS, 50, 1.0),
    "50 ms a call, one file": (SLEEPS, 1, 0.1),
    "no-op, one file a call": (NOOP, 1, 0.5),
}
"""A script, its files a mini-batch, and which part of the files is its job's."""


def inputs(host: RunningHost, count: int) -> str:
    folder = host.data_dir / "blobs" / "workspaceblobstore" / f"in{count}"
    if not folder.exists():
        folder.mkdir(parents=True)
        line = ",".join(f"{number / 7:.6f}" for number in range(10))
        for number in range(count):
            (folder / f"{number:06d}.csv").write_text(f"{line}\n" * 100)
    return f"azureml://datastores/workspaceblobstore/paths/in{count}"


def run(host: RunningHost, endpoint: str, count: int) -> tuple[float, bytes]:
    """For how many seconds a job ran, and its output."""
    name = batch.started(host, endpoint, inputs(host, count))
    shown = batch.ended(host, name, patience=900)
    if shown["status"] != "Completed":
        raise SystemExit(f"the job has failed: {shown}")
    began, ended = (datetime.fromisoformat(shown[each]) for each in ("startTime", "endTime"))
    return (ended - began).total_seconds(), batch.output(host, shown).read_bytes()


def settings(base: str) -> dict[str, dict[str, str]]:
    usual = {"ML_ENDPOINTS_WORKER_IDLE_TIME": "3600"}
    containers = {"ML_ENDPOINTS_COMPUTE": "docker", ENGINE: os.environ[ENGINE], BASE: base}
    return {"local": usual, "containers": {**usual, **containers}}


def measure(hosts: dict[str, RunningHost], rounds: int, files: int) -> None:
    for number, (what, (script, size, part)) in enumerate(JOBS.items()):
        endpoint, count = f"job{number}", round(files * part)
        for host in hosts.values():
            properties: dict[str, Any] = {"miniBatchSize": size}
            properties["maxConcurrencyPerInstance"] = WORKERS
            batch.batch(host, endpoint, script, **properties)
            run(host, endpoint, 8 * size)
        times: dict[str, list[float]] = {way: [] for way in hosts}
        for _ in range(rounds):
            outputs = set()
            for way, host in hosts.items():
                seconds, output = run(host, endpoint, count)
                times[way].append(seconds)
                outputs.add(output)
            if len(outputs) != 1:
                raise SystemExit("the outputs differ")
        pairs = zip(times["containers"], times["local"], strict=True)
        ratio = statistics.median(one / other for one, other in pairs)
        told = ", ".join(f"{way} {statistics.median(each):.2f} s" for way, each in times.items())
        sys.stdout.write(f"{what}, {count} files: {told}; {ratio:.2f} x (median of {rounds})\n")
        sys.stdout.flush()


async def clear(data_dir: Path) -> None:
    """Nodes go on when their host ends: these have nobody to come to."""
    store = SqliteResourceStore(data_dir / "documents.db")
    engine = Engine(os.environ[ENGINE])
    mine = f"{INSTALLATION}={await Installation(store).id()}"
    there = await engine.get("containers/json", all=True, filters={"label": [mine]})
    for each in there:
        await engine.delete(f"containers/{each['Id']}", force=True)
    await engine.close()
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--base", default=os.environ.get(BASE, "python:{python}-slim"))
    options = parser.parse_args()
    if ENGINE not in os.environ:
        raise SystemExit(f"{ENGINE} names no container engine")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hosts = {}
        for way, environment in settings(options.base).items():
            host = RunningHost(folder / way / "data", environment=environment)
            hosts[way] = stack.enter_context(host)
            serving.environment(host)
        stack.callback(lambda: asyncio.run(clear(hosts["containers"].data_dir)))
        measure(hosts, options.rounds, options.files)


if __name__ == "__main__":
    main()
