"""What a thousand routed endpoints, 999 of them at zero, cost a request to the one that runs."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.online import ours
from benchmarks.online.lines import sleepers
from benchmarks.online.wrk import Load, Wrk
from benchmarks.reach.line import Line, at_least
from outside.running_host import RunningHost

_TURNS = 5
_SECONDS = 3
_REACH = 0.95
"""What is left of the requests/s of one endpoint alone: less is more than noise."""


def measure(folder: Path, wrk: Wrk, endpoints: int) -> list[Line]:
    """Two hosts, one with one endpoint and one with all, asked in turns."""
    with (
        RunningHost(folder / "one", "--port", "0", "--http") as one,
        RunningHost(folder / "many", "--port", "0", "--http", environment=sleepers.IDLE) as many,
    ):
        for host in (one, many):
            ours.deployed(host)
        sleepers.add(many, endpoints - 1)
        questions = [ours.question(host) for host in (one, many)]
        turns = [[wrk.run(each, 8, _SECONDS) for each in questions] for _ in range(_TURNS)]
    alone, among = zip(*turns, strict=True)
    return [_line(alone, among, endpoints)]


def _line(alone: Sequence[Load], among: Sequence[Load], endpoints: int) -> Line:
    share = median(load.rate for load in among) / median(load.rate for load in alone)
    p50, p50_alone = (median(load.p50 for load in loads) for loads in (among, alone))
    told = f"{share:.2f} x (p50 {p50:.2f} ms, alone {p50_alone:.2f} ms)"
    what = f"requests/s with {endpoints:,} routed endpoints, all but one at zero, to one alone"
    return at_least(what, told, share, _REACH, "x")
