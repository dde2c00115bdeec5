"""Servers measured in turn, round after round, so that a change of the machine's mood meets
all of them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.online.servers import Running, Server, Wrong
from benchmarks.online.wrk import Load, Wrk
from benchmarks.peer_environments import Unavailable

CONNECTIONS = (1, 8, 32)
_WARM = 2.0
_MB = 2**20


@dataclass
class Figures:
    """Of one server; medians over the rounds. `missing` says why there are none."""

    name: str
    missing: str = ""
    loads: dict[int, list[Load]] = field(default_factory=dict)
    cold_starts: list[float] = field(default_factory=list)
    memories: list[int] = field(default_factory=list)

    @property
    def measured(self) -> bool:
        return bool(self.memories) and not self.missing

    def rate(self, connections: int) -> float:
        return median(load.rate for load in self.loads[connections])

    def p50(self, connections: int) -> float:
        return median(load.p50 for load in self.loads[connections])

    def p99(self, connections: int) -> float:
        return median(load.p99 for load in self.loads[connections])

    @property
    def cold_start(self) -> float:
        return median(self.cold_starts)

    @property
    def memory(self) -> float:
        """MB."""
        return median(self.memories) / _MB


def measure(
    servers: Sequence[Server], wrk: Wrk, *, processes: int, rounds: int, seconds: float
) -> list[Figures]:
    """One server runs at a time. One that cannot be measured, or gave a single wrong answer,
    keeps its row, with the reason in place of figures."""
    found = [Figures(server.name) for server in servers]
    for number in range(rounds):
        for server, figures in zip(servers, found, strict=True):
            if figures.missing:
                continue
            _say(f"{processes} x {server.name}, round {number + 1} of {rounds}")
            try:
                with server.running(processes) as running:
                    _once(running, wrk, figures, seconds)
            except Unavailable as error:
                figures.missing = f"not measured: {error}"
            except Wrong as error:
                figures.missing = f"void, not every answer was right: {error}"
            if figures.missing:
                _say(figures.missing)
    return found


def _once(running: Running, wrk: Wrk, figures: Figures, seconds: float) -> None:
    wrk.run(running.question, 8, _WARM)
    for connections in CONNECTIONS:
        load = wrk.run(running.question, connections, seconds)
        figures.loads.setdefault(connections, []).append(load)
        _say(
            f"  {connections:2d} connections  {load.rate:7.0f} requests/s  "
            f"p50 {load.p50:6.2f} ms  p99 {load.p99:6.2f} ms"
        )
    figures.cold_starts.append(running.cold_start)
    figures.memories.append(running.memory())


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
