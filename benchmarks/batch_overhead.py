"""What a mini-batch costs beside its script, and how jobs share workers.

Over the whole path of an embedded host in a process of its own: HTTP invoke, queue, claim,
worker, staged block, record, committed output.

    python -m benchmarks.batch_overhead [noop] [busy] [jobs] [warm]

noop    a script that does nothing: wall and CPU time of a mini-batch
busy    a script of 50 ms: the share of their time that the workers spend in it
jobs    100 equal jobs at once: how far apart they are while all run
warm    the second job of a deployment: from its invocation to its end
"""

import argparse
import contextlib
import csv
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from infra.compute.local.processes import process_groups
from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost
from outside.waiting import until

NOOP = """
def init(): pass
def run(mini_batch): return [0] * len(mini_batch)
"""
SLEEPS = """
import time
def init(): pass
def run(mini_batch):
    began = time.time()
    time.sleep(0.05)
    return [[{"began": began, "ended": time.time()}]]
"""
SLOW_INIT = """
import time
def init(): time.sleep(1)
def run(mini_batch): return [0] * len(mini_batch)
"""
WORKERS = 2


def inputs(host: RunningHost, count: int) -> str:
    """A folder of `count` small files, as a user who has the disk would put it there."""
    folder = host.data_dir / "blobs" / "workspaceblobstore" / f"in{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:06d}.txt").write_text("1\n")
    return f"azureml://datastores/workspaceblobstore/paths/in{count}"


def cpu_seconds(host: RunningHost) -> tuple[float, float]:
    """Of the host, and of the workers that it has now."""
    workers = sum(process_groups.cpu_seconds(pid) or 0.0 for pid in host.processes(" work "))
    everything = process_groups.cpu_seconds(host.pid)
    if everything is None:
        raise SystemExit("the system does not tell what processor time a process has used")
    return everything - workers, workers


def noop(host: RunningHost, count: int) -> None:
    batch.batch(host, "noop", NOOP, maxConcurrencyPerInstance=WORKERS)
    uri = inputs(host, count)
    batch.ended(host, batch.started(host, "noop", inputs(host, 50)))
    before = cpu_seconds(host)
    name = batch.started(host, "noop", uri)
    until(lambda: batch.job(host, name)["progress"], patience=60, every=0.01)
    began = time.perf_counter()
    early = done(host, name)
    shown = until(
        lambda: (
            (p := batch.job(host, name))
            and (p["progress"]["succeededMiniBatches"] >= count * 0.95)
            and p
        ),
        patience=600,
        # Seldom: each look is work of the host, too.
        every=0.2,
    )
    wall = time.perf_counter() - began
    recorded = shown["progress"]["succeededMiniBatches"] - early
    after = cpu_seconds(host)
    batch.ended(host, name, patience=60)
    host_cpu, worker_cpu = (a - b for a, b in zip(after, before, strict=True))
    total = shown["progress"]["succeededMiniBatches"]
    say(
        f"no-op, {count} mini-batches, {WORKERS} workers: {wall / recorded * 1e3:.2f} ms wall "
        f"each; CPU: host {host_cpu / total * 1e3:.2f} ms, worker {worker_cpu / total * 1e3:.2f} ms"
    )


def done(host: RunningHost, name: str) -> int:
    progress = batch.job(host, name)["progress"] or {}
    found: int = progress.get("succeededMiniBatches", 0)
    return found


def busy(host: RunningHost, count: int) -> None:
    batch.batch(host, "busy", SLEEPS, maxConcurrencyPerInstance=WORKERS)
    shown = batch.ended(host, batch.started(host, "busy", inputs(host, count)), patience=300)
    with batch.output(host, shown).open(newline="") as file:
        runs = [(float(row["began"]), float(row["ended"])) for row in csv.DictReader(file)]
    span = max(end for _, end in runs) - min(begin for begin, _ in runs)
    share = sum(end - begin for begin, end in runs) / (WORKERS * span)
    say(f"50 ms script, {count} mini-batches, {WORKERS} workers: busy {share:.1%}")


def jobs(host: RunningHost, count: int, size: int) -> None:
    batch.batch(host, "many", SLEEPS.replace("0.05", "0.02"), maxConcurrencyPerInstance=WORKERS)
    uri = inputs(host, size)
    began = time.perf_counter()
    names = [batch.started(host, "many", uri) for _ in range(count)]
    say(f"{count} jobs of {size} mini-batches, invoked in {time.perf_counter() - began:.1f} s")
    worst: tuple[float, list[int]] = (-1.0, [])
    looks, outside, at_first = 0, 0, None
    while not all(each["status"] in batch.ENDED for each in listed(host, names)):
        for _ in range(20):
            counts = recorded(host)
            if len(counts) < count or min(counts) == 0 or max(counts) == size:
                time.sleep(0.1)
                continue
            at_first = at_first or counts
            # Those that were invoked first have had a start; from here on all run.
            gained = [now - then for now, then in zip(counts, at_first, strict=True)]
            looks += 1
            furthest, allowed = spread(gained)
            outside += furthest > allowed
            worst = max(worst, (furthest - allowed, sorted(gained)))
            time.sleep(0.1)
    wall = time.perf_counter() - began
    statuses = {each["status"] for each in listed(host, names)}
    say(f"all ended {statuses} after {wall:.1f} s, {wall / count / size * 1e3:.2f} ms a mini-batch")
    say(
        f"{looks} looks while all ran, {outside} of them with a job further from the mean than "
        f"10 % of it or one mini-batch; the worst: {worst[1][:3]} ... {worst[1][-3:]}"
    )


def listed(host: RunningHost, names: list[str]) -> list[dict[str, Any]]:
    return [batch.job(host, name) for name in names]


def recorded(host: RunningHost) -> list[int]:
    """Mini-batches done of each job of the endpoint `many`, all at one moment: as the store
    has them, for a hundred requests would see a hundred moments."""
    documents = f"file:{host.data_dir / 'documents.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(documents, uri=True)) as connection:
        rows = connection.execute(
            "SELECT progress.body FROM documents AS progress JOIN documents AS job"
            " ON job.partition = progress.partition AND job.id = 'job'"
            " WHERE progress.kind = 'batchProgress'"
            " AND json_extract(job.body, '$.endpoint') = 'many' ORDER BY progress.partition"
        ).fetchall()
    return [json.loads(body)["progress"]["recorded"] for (body,) in rows]


def spread(counts: list[int]) -> tuple[float, float]:
    """How many mini-batches the job furthest from the mean is from it, and how many it may."""
    mean = statistics.fmean(counts)
    return max(abs(each - mean) for each in counts), max(0.1 * mean, 1.0)


def warm(host: RunningHost) -> None:
    batch.batch(host, "warm", SLOW_INIT, maxConcurrencyPerInstance=WORKERS)
    uri = inputs(host, 10)
    for which in ("first", "second", "third"):
        began = time.perf_counter()
        batch.ended(host, batch.started(host, "warm", uri))
        say(f"{which} job of a script whose init takes 1 s: {time.perf_counter() - began:.2f} s")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", default=["noop", "busy", "jobs", "warm"])
    parser.add_argument("--mini-batches", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--job-size", type=int, default=30)
    asked = parser.parse_args()
    run: dict[str, Any] = {
        "noop": lambda host: noop(host, asked.mini_batches),
        "busy": lambda host: busy(host, 400),
        "jobs": lambda host: jobs(host, asked.jobs, asked.job_size),
        "warm": warm,
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningHost(Path(folder) / "data", "--port", "0", "--http") as host,
    ):
        serving.environment(host)
        for which in asked.which:
            run[which](host)


if __name__ == "__main__":
    main()
