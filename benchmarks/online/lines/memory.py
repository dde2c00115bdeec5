"""The host's memory over a million requests: resident bytes every 50,000, and the slope of
what comes after the first fifth of them."""

import sys
from pathlib import Path

from benchmarks.growth import slope
from benchmarks.online import ours
from benchmarks.online.wrk import Wrk
from benchmarks.reach.line import Line, at_most
from outside.running_host import RunningHost

EVERY = 50_000
_CONNECTIONS = 8
_REACH = 1.0
"""MB that a million requests may add: a request that left 1 byte behind."""
_MB = 2**20


def measure(folder: Path, wrk: Wrk, requests: int) -> list[Line]:
    with RunningHost(folder / "memory", "--port", "0", "--http") as host:
        ours.deployed(host)
        asked = ours.question(host)
        rate = wrk.run(asked, _CONNECTIONS, 3).rate
        seen = [(0, host.memory())]
        while seen[-1][0] < requests:
            load = wrk.run(asked, _CONNECTIONS, EVERY / rate)
            rate = load.rate
            seen.append((seen[-1][0] + load.requests, host.memory()))
            sys.stderr.write(f"  {seen[-1][0]:9,d} requests  {seen[-1][1] / _MB:7.1f} MB\n")
    grown = slope(seen[len(seen) // 5 :]) * 1_000_000 / _MB
    first, last = (memory / _MB for _, memory in (seen[len(seen) // 5], seen[-1]))
    what = f"memory of the host over {seen[-1][0]:,} requests, slope for a million"
    told = f"{grown:+.2f} MB (from {first:.1f} to {last:.1f})"
    return [at_most(what, told, grown, _REACH, "MB")]
