"""What is left of a deployment's capacity when five times as much is asked of it.

The script waits 20 ms, so the capacity is known: requests at once / 20 ms. Through the whole
path: embedded host in its own process, key, routing; open loop, in plain HTTP.

    python -m benchmarks.overload [--seconds N] [--at-once N]
"""

import argparse
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks.http_load import Target, open_loop
from outside import serving
from outside.running_host import RunningHost

WAITS = """
import time
def init(): pass
def run(data):
    time.sleep(0.02)
    return 1
"""


async def measure(host: RunningHost, at_once: int, seconds: float) -> float:
    """Goodput at five times the capacity, as a share of it."""
    share = 0.0
    key = serving.key(host, "slow")
    capacity = at_once / 0.02
    sys.stdout.write(f"capacity {capacity:.0f} requests/s ({at_once} at once, 20 ms each)\n")
    sys.stdout.write("asked    goodput  of capacity  p50 200  p99 200  p50 429  p99 429  other\n")
    for times in (0.5, 0.8, 1.0, 2.0, 5.0):
        target = Target(f"{host.url}/endpoints/slow/score", key, b"1")
        await open_loop(target, capacity / 2, 0.5)
        found = await open_loop(target, capacity * times, seconds)
        target.close()
        other = sum(found.statuses.values()) - found.statuses[200] - found.statuses[429]
        shown = [found.quantile(share, code) for code in (200, 429) for share in (0.5, 0.99)]
        share = found.rate() / capacity
        sys.stdout.write(
            f"{times:4.1f} x   {found.rate():7.0f}  {share:10.1%}"
            f"  {'  '.join(f'{each * 1000:4.0f} ms' for each in shown)}  {other:5d}\n"
        )
    return share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--at-once", type=int, default=4)
    arguments = parser.parse_args()
    run(arguments.at_once, arguments.seconds)


def run(at_once: int, seconds: float) -> float:
    """On a host of its own; the same as `measure`."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningHost(Path(folder) / "data", "--port", "0", "--http") as host,
    ):
        code = serving.codes(host, "waits", {"score.py": WAITS})
        serving.environment(host)
        serving.endpoint(host, "slow")
        limits = {**serving.USUAL, "maxConcurrentRequestsPerInstance": at_once}
        serving.deploy(host, "slow/blue", code, requestSettings=limits)
        serving.traffic(host, "slow", blue=100)
        return uvloop.run(measure(host, at_once, seconds))


if __name__ == "__main__":
    main()
