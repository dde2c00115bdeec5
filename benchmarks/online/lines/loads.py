"""Micro-batching and overload, from the benchmarks that have them."""

import contextlib
import sys

from benchmarks import micro_batching, overload
from benchmarks.reach.line import Line, at_least


def measure(seconds: float) -> list[Line]:
    with contextlib.redirect_stdout(sys.stderr):
        times = micro_batching.run(32, seconds)
        share = overload.run(4, seconds)
    what = "micro-batching's requests/s, of our own without it"
    goodput = "goodput at 5 x the capacity, of the capacity"
    return [
        at_least(what, f"{times:.1f} x", times, 3, "x"),
        at_least(goodput, f"{share:.1%}", share * 100, 90, "%"),
    ]
