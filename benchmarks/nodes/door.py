"""What the door of a node costs, beside local processes of the same script.

    python -m benchmarks.nodes.door [--rounds N] [--seconds N]

One client asks a local process at its Unix socket, as the gateway asks one, and a node agent at
its TCP door, in turns; then two local processes, and a node with two behind its agent. The
processors' time of all that serves is counted too: on a machine with other work to do it says
more than the clock.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.http_load import Outcome, Target, closed_loop
from benchmarks.process_tree import descendants
from outside.waiting import until

RUNTIME = Path(__file__).parents[2] / "runtime"
SECRET = "x" * 43
BODY = b'{"data": [[5.1, 3.5, 1.4, 0.2]]}' * 3
SCRIPT = "def init():\n    pass\n\ndef run(data):\n    return [1]\n"
CALLERS = (1, 32)
AT_ONCE = 64


@dataclass
class Served:
    """One way to the model; `processes` are all that serve there."""

    name: str
    targets: list[Target]
    processes: list[subprocess.Popen[bytes]]
    rates: dict[int, list[float]] = field(default_factory=dict)
    halves: dict[int, list[float]] = field(default_factory=dict)
    costs: dict[int, list[float]] = field(default_factory=dict)

    async def measure(self, callers: int, seconds: float) -> None:
        before = self._used()
        shares = [callers // len(self.targets) or 1] * min(callers, len(self.targets))
        loops = zip(self.targets, shares, strict=False)
        found = await asyncio.gather(*(closed_loop(each, n, seconds) for each, n in loops))
        whole = Outcome(max(each.seconds for each in found))
        for each in found:
            whole.statuses += each.statuses
            for status, latencies in each.latencies.items():
                whole.latencies.setdefault(status, []).extend(latencies)
        if set(whole.statuses) != {200}:
            raise SystemExit(f"{self.name}: {dict(whole.statuses)}")
        count = whole.statuses[200]
        self.rates.setdefault(callers, []).append(whole.rate())
        self.halves.setdefault(callers, []).append(whole.quantile(0.5) * 1e3)
        self.costs.setdefault(callers, []).append((self._used() - before) / count * 1e6)

    def _used(self) -> float:
        """Seconds of processors."""
        ticks = 0
        for process in self.processes:
            for pid in (process.pid, *descendants(process.pid)):
                with contextlib.suppress(OSError):
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    ticks += int(stat[11]) + int(stat[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def row(self, callers: int, beside: "Served") -> str:
        rate, half = (statistics.median(each[callers]) for each in (self.rates, self.halves))
        other = statistics.median(beside.rates[callers])
        more = half - statistics.median(beside.halves[callers])
        cost = statistics.median(self.costs[callers])
        return (
            f"| {self.name} | {callers} | {rate:,.0f} | {rate / other:.2f} | {half:.2f} |"
            f" {more:+.2f} | {cost:.0f} |\n"
        )


@contextlib.contextmanager
def local(folder: Path, processes: int) -> Iterator[Served]:
    begun, targets = [], []
    for number in range(processes):
        path = str(folder / f"{processes}.{number}")
        options = ("--max-concurrent", str(AT_ONCE // processes), "--max-queue", str(AT_ONCE))
        command = [
            *(sys.executable, "-I", str(RUNTIME), "serve", "--socket", path),
            *("--script", "score.py", "--app-root", str(folder), "--deployment", "blue"),
            *options,
        ]
        begun.append(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True))
        targets.append(Target("http://local/score", "k", BODY, path))
    try:
        until(lambda: all(Path(t).exists() for t in _paths(folder, processes)), "sockets")
        yield Served(f"{processes} local", targets, begun)
    finally:
        _end(begun)


def _paths(folder: Path, processes: int) -> list[str]:
    return [str(folder / f"{processes}.{number}") for number in range(processes)]


@contextlib.contextmanager
def node(folder: Path, workers: int) -> Iterator[Served]:
    spec = {
        "contract": 1,
        "mode": "serve",
        "script": "score.py",
        "code": {"path": str(folder)},
        "serve": {"deployment": "blue", "workers": workers, "max_concurrent": AT_ONCE},
    }
    told = {
        "ML_ENDPOINTS_NODE_SECRET": SECRET,
        "ML_ENDPOINTS_NODE_SPEC": json.dumps(spec),
        "ML_ENDPOINTS_NODE_HOST": "127.0.0.1",
        "ML_ENDPOINTS_NODE_PORT": "0",
        "ML_ENDPOINTS_NODE_DATA": str(folder / "data"),
    }
    log = folder / f"node{workers}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-I", str(RUNTIME), "node"],
            stdout=out,
            env={**os.environ, **told},
            start_new_session=True,
        )
    try:
        words = until(lambda: log.read_text().partition("listens on port ")[2], "its port")
        url = f"http://127.0.0.1:{words.partition('.')[0]}/score"
        shown = f"ml-endpoints-node-secret: {SECRET}\r\n"
        yield Served(f"node of {workers}", [Target(url, "k", BODY, headers=shown)], [process])
    finally:
        _end([process])


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()


async def main(rounds: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="nd") as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        (folder / "score.py").write_text(SCRIPT)
        pairs = [
            (stack.enter_context(local(folder, count)), stack.enter_context(node(folder, count)))
            for count in (1, 2)
        ]
        ways = [way for pair in pairs for way in pair]
        for way in ways:
            await _warm(way)
        for _ in range(rounds):
            for callers in CALLERS:
                for way in ways:
                    await way.measure(callers, seconds)
        sys.stdout.write(
            "| way | callers | requests/s | of local | p50 ms | more | CPU us a request |\n"
            "|---|---|---|---|---|---|---|\n"
        )
        for pair in pairs:
            for callers in CALLERS:
                for way in pair:
                    sys.stdout.write(way.row(callers, pair[0]))
        for way in ways:
            for target in way.targets:
                target.close()


async def _warm(way: Served) -> None:
    """Until it is ready, and some more."""
    ends = time.monotonic() + 30
    for target in way.targets:
        while True:
            found = await closed_loop(target, 4, 0.2)
            if set(found.statuses) == {200}:
                break
            if time.monotonic() > ends:
                raise SystemExit(f"{way.name} is not ready: {dict(found.statuses)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    arguments = parser.parse_args()
    uvloop.run(main(arguments.rounds, arguments.seconds))
