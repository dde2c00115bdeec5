"""What a thousand routed endpoints, 999 of them at zero, cost a request to the one that runs."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks.online import ours
from benchmarks.online.lines.line import Line, at_least
from benchmarks.online.wrk import Load, Wrk
from tests.e2e import serving
from tests.e2e.running_host import RunningHost, until

_IDLE = {"ML_ENDPOINTS_SCALE_IDLE_TIME": "1"}
_SLEEPS = {"scaleSettings": {"scaleType": "TargetUtilization", "minInstances": 0}}
_BARE = "def init(): pass\ndef run(data): return 1\n"
_AT_ONCE = 8
_TURNS = 5
_SECONDS = 3
_REACH = 0.95
"""What is left of the requests/s of one endpoint alone: less is more than noise."""


def measure(folder: Path, wrk: Wrk, endpoints: int) -> list[Line]:
    """Two hosts, one with one endpoint and one with all, asked in turns."""
    with (
        RunningHost(folder / "one", "--port", "0", "--http") as one,
        RunningHost(folder / "many", "--port", "0", "--http", environment=_IDLE) as many,
    ):
        for host in (one, many):
            ours.deployed(host)
        _make(many, endpoints - 1)
        until(lambda: len(_servers(many)) == len(_servers(one)), within=120, what="all asleep")
        questions = [ours.question(host) for host in (one, many)]
        turns = [[wrk.run(each, 8, _SECONDS) for each in questions] for _ in range(_TURNS)]
    alone, among = zip(*turns, strict=True)
    return [_line(alone, among, endpoints)]


def _servers(host: RunningHost) -> list[int]:
    return host.processes(" serve ")


def _make(host: RunningHost, count: int) -> None:
    script = serving.codes(host, "asleep", {"score.py": _BARE})

    def make(number: int) -> None:
        name = f"other-{number}"
        serving.endpoint(host, name)
        serving.deploy(host, f"{name}/blue", script, **_SLEEPS)
        serving.traffic(host, name, blue=100)
        if number % 100 == 0:
            sys.stderr.write(f"  endpoint {number}\n")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(make, range(1, count + 1)))


def _line(alone: Sequence[Load], among: Sequence[Load], endpoints: int) -> Line:
    share = median(load.rate for load in among) / median(load.rate for load in alone)
    p50, p50_alone = (median(load.p50 for load in loads) for loads in (among, alone))
    told = f"{share:.2f} x (p50 {p50:.2f} ms, alone {p50_alone:.2f} ms)"
    what = f"requests/s with {endpoints:,} routed endpoints, all but one at zero, to one alone"
    return at_least(what, told, share, _REACH, "x")
