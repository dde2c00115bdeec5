"""Batch jobs through containers beside the same jobs on local processes.

    ML_ENDPOINTS_CONTAINER_ENGINE=unix:///… python -m benchmarks.batch_containers
        [--rounds 5] [--files 2000] [--only no-op] [--group /sys/fs/cgroup/…] [--base IMAGE]

Two hosts are up, one of each; a round is each job once on either, in turn. Workers are up and
warm by a first job of the same kind: start-up is left out. A job's time is from its start to its
end, as it says them itself. Told are the change of wall time (the median of the changes within a
round, and the best of either against each other), and what processor time a mini-batch takes, by
who takes it. Containers are one control group of the kernel's, which gets the share of one process:
on a machine that does other things too, `--group` has all that is measured in one group. `make
engine` keeps an engine up, and prints what to export.
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
from typing import Any, Final, NamedTuple

from benchmarks.process_tree import descendants
from infra.compute.docker.engine import Engine
from infra.compute.docker.labels import INSTALLATION
from infra.compute.remote.installation import Installation
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost
from outside.waiting import until

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


class Run(NamedTuple):
    """For how many seconds a job ran, what processor time it took, by who took it, and its
    output."""

    seconds: float
    cpu: dict[str, float]
    output: bytes


def run(host: RunningHost, endpoint: str, count: int) -> Run:
    uri = inputs(host, count)
    before = cpu(host)
    name = batch.started(host, endpoint, uri)
    shown = _ended(host, name)
    if shown["status"] != "Completed":
        raise SystemExit(f"the job has failed: {shown}")
    began, ended = (datetime.fromisoformat(shown[each]) for each in ("startTime", "endTime"))
    used = {part: seconds - before.get(part, 0.0) for part, seconds in cpu(host).items()}
    return Run((ended - began).total_seconds(), used, batch.output(host, shown).read_bytes())


def _ended(host: RunningHost, name: str) -> dict[str, Any]:
    """Each look is work of the host, too: they are few."""

    def look() -> dict[str, Any] | None:
        shown = batch.job(host, name)
        return shown if shown["status"] in batch.ENDED else None

    return until(look, f"the end of job {name}", patience=900, every=0.25)


def cpu(host: RunningHost) -> dict[str, float]:
    """Seconds of the host, of the agents of its nodes, and of its workers, as they are now."""
    return {part: sum(map(_own, pids)) for part, pids in _parts(host).items()}


def _parts(host: RunningHost) -> dict[str, list[int]]:
    agents = [each for each in asyncio.run(_agents(host)) if each]
    if not agents:
        return {"host": [host.pid], "workers": host.processes(" work ")}
    workers = [below for each in agents for below in descendants(each)]
    return {"host": [host.pid], "agent": agents, "workers": workers}


def gather(host: RunningHost, group: Path) -> None:
    """Into one control group, with all that it has come to."""
    for pid in (pid for pids in _parts(host).values() for pid in pids):
        (group / "cgroup.procs").write_text(str(pid))


def _own(pid: int) -> float:
    """Of the process alone; 0 for one that has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _agents(host: RunningHost) -> list[int]:
    engine = Engine(os.environ[ENGINE])
    try:
        there = await _containers(engine, host.data_dir)
        shown = [await engine.get(f"containers/{each['Id']}/json") for each in there]
        return [int(each["State"]["Pid"]) for each in shown]
    finally:
        await engine.close()


async def _containers(engine: Engine, data_dir: Path) -> list[dict[str, Any]]:
    store = SqliteResourceStore(data_dir / "documents.db")
    try:
        mine = f"{INSTALLATION}={await Installation(store).id()}"
    finally:
        await store.close()
    found: list[dict[str, Any]] = await engine.get(
        "containers/json", all=True, filters={"label": [mine]}
    )
    return found


def settings(base: str) -> dict[str, dict[str, str]]:
    usual = {"ML_ENDPOINTS_WORKER_IDLE_TIME": "3600"}
    containers = {"ML_ENDPOINTS_COMPUTE": "docker", ENGINE: os.environ[ENGINE], BASE: base}
    return {"local": usual, "containers": {**usual, **containers}}


def measure(hosts: dict[str, RunningHost], options: argparse.Namespace) -> None:
    jobs = {what: job for what, job in JOBS.items() if options.only in what}
    for number, (what, (script, size, part)) in enumerate(jobs.items()):
        endpoint, count = f"job{number}", round(options.files * part)
        for host in hosts.values():
            properties: dict[str, Any] = {"miniBatchSize": size}
            properties["maxConcurrencyPerInstance"] = WORKERS
            batch.batch(host, endpoint, script, **properties)
            run(host, endpoint, 8 * size)
            if options.group is not None:
                gather(host, options.group)
        runs: dict[str, list[Run]] = {way: [] for way in hosts}
        for _ in range(options.rounds):
            for way, host in hosts.items():
                runs[way].append(run(host, endpoint, count))
            if len({each[-1].output for each in runs.values()}) != 1:
                raise SystemExit("the outputs differ")
        say(f"{what}, {count} files, {options.rounds} rounds", runs, count // size)


def say(what: str, runs: dict[str, list[Run]], mini_batches: int) -> None:
    times = {way: [each.seconds for each in of] for way, of in runs.items()}
    pairs = zip(times["containers"], times["local"], strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    best = min(times["containers"]) / min(times["local"])
    lines = [f"{what}: {ratio:.2f} x, best {best:.2f} x"]
    for way, of in runs.items():
        cpu = {
            part: statistics.median(each.cpu[part] for each in of) / mini_batches * 1e3
            for part in of[0].cpu
        }
        told = ", ".join(f"{part} {ms:.2f}" for part, ms in cpu.items())
        seconds = f"{statistics.median(times[way]):.2f} s, best {min(times[way]):.2f} s"
        lines.append(
            f"  {way}: {seconds}; CPU ms a mini-batch: {told}, in all {sum(cpu.values()):.2f}"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


async def clear(data_dir: Path) -> None:
    """Nodes go on when their host ends: these have nobody to come to."""
    engine = Engine(os.environ[ENGINE])
    for each in await _containers(engine, data_dir):
        await engine.delete(f"containers/{each['Id']}", force=True)
    await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--group", type=Path, help="a control group for all that is measured")
    parser.add_argument("--only", default="", help="of the jobs, those with this in their name")
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
        measure(hosts, options)


if __name__ == "__main__":
    main()
