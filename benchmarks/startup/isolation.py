"""What it costs to keep scripts apart: two hosts in one run, one that does and one that does not.

    python -m benchmarks.startup.isolation [--rounds 5] [--seconds 3] [--files 1500]

Rounds alternate between the two, so that whatever else the machine does meets both alike; each
figure is the median of the rounds, and of the differences within a round.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.http_load import Outcome, Target, closed_loop
from infra.compute.local.processes.process_groups import cpu_seconds
from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost

CALLERS = 4
NOOP = "def init(): pass\ndef run(files): return [0] * len(files)\n"


def begin(host: RunningHost, files: int) -> Callable[[], Target]:
    serving.environment(host)
    code = serving.codes(host, "echo", {"score.py": serving.ECHO})
    serving.endpoint(host, "one")
    serving.deploy(host, "one/blue", code, requestSettings=serving.USUAL)
    serving.traffic(host, "one", blue=100)
    batch.batch(host, "noop", NOOP, maxConcurrencyPerInstance=2)
    folder = host.data_dir / "blobs" / "workspaceblobstore" / "in"
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"{number:06d}.txt").write_text("1\n")
    uri = host.workspace.get("onlineEndpoints/one")["properties"]["scoringUri"]
    key = serving.key(host, "one")
    return lambda: Target(uri, key, b"[1]")


def start_up(host: RunningHost, number: int) -> float:
    """Milliseconds of a new deployment's instance, until it answers its probe."""
    code = serving.codes(host, "echo", {})
    name = f"next{number}"
    serving.deploy(host, f"one/{name}", code, requestSettings=serving.USUAL)
    [line] = [each for each in host.story(deployment=name) if each["action"] == "instance_ready"]
    host.workspace.mutate("DELETE", f"onlineEndpoints/one/deployments/{name}")
    seconds: float = line["seconds"]
    return seconds * 1e3


def mini_batch(host: RunningHost, files: int) -> float:
    """Milliseconds of one that does nothing, from invocation to committed output."""
    began = time.perf_counter()
    name = batch.started(host, "noop", "azureml://datastores/workspaceblobstore/paths/in")
    assert batch.ended(host, name, patience=600)["status"] == "Completed"
    return (time.perf_counter() - began) / files * 1e3


def round_of(
    host: RunningHost, target: Callable[[], Target], number: int, options: Any
) -> dict[str, float]:
    before = processor_time(host)
    outcome = asyncio.run(measured(target(), options.seconds))
    asked = processor_time(host)
    started = start_up(host, number)
    prepared = processor_time(host)
    waited = mini_batch(host, options.files)
    return {
        "requests a second": outcome.rate(),
        "processor time a request, ms": (asked - before) / outcome.statuses[200] * 1e3,
        "start-up, ms": started,
        "mini-batch, ms": waited,
        "processor time a mini-batch, ms": (processor_time(host) - prepared) / options.files * 1e3,
    }


async def measured(target: Target, seconds: float) -> Outcome:
    try:
        return await closed_loop(target, CALLERS, seconds)
    finally:
        target.close()


def processor_time(host: RunningHost) -> float:
    """Seconds of the host and of all its scripts: what else the machine does is not in it."""
    found = cpu_seconds(host.pid)
    if found is None:
        raise SystemExit("the system does not tell what processor time a process has used")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--files", type=int, default=1500)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hosts = {}
        for choice in ("off", "auto"):
            settings = {"ML_ENDPOINTS_ISOLATION": choice}
            host = RunningHost(
                folder / choice / "data", "--port", "0", "--http", environment=settings
            )
            stack.enter_context(host)
            hosts[choice] = host, begin(host, options.files)
        found: dict[str, list[dict[str, float]]] = {choice: [] for choice in hosts}
        for number in range(options.rounds + 1):
            order = list(hosts) if number % 2 else [*reversed(hosts)]
            for choice in order:
                figures = round_of(*hosts[choice], number, options)
                if number:  # the first one warms both up
                    found[choice].append(figures)
    for what in found["off"][0]:
        off, auto = ([each[what] for each in found[choice]] for choice in ("off", "auto"))
        change = statistics.median(b / a - 1 for a, b in zip(off, auto, strict=True))
        sys.stdout.write(
            f"{what}: {statistics.median(off):.2f} together, {statistics.median(auto):.2f} apart "
            f"({change:+.1%})\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
