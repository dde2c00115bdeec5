"""Ways to one script: local processes at their Unix sockets, and a node agent at its TCP door."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process_tree import descendants
from outside.waiting import until

RUNTIME = Path(__file__).parents[2] / "runtime"
SECRET = "x" * 43
AT_ONCE = 64


@dataclass(frozen=True)
class Way:
    """`addresses` are as the gateway has them; `processes` are all that serve there."""

    name: str
    addresses: list[str]
    processes: list[subprocess.Popen[bytes]]

    def used(self) -> float:
        """Seconds of processors, so far."""
        ticks = 0
        for process in self.processes:
            for pid in (process.pid, *descendants(process.pid)):
                with contextlib.suppress(OSError):
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    ticks += int(stat[11]) + int(stat[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def local(folder: Path, processes: int) -> Iterator[Way]:
    begun = []
    addresses = [str(folder / f"{processes}.{number}") for number in range(processes)]
    for address in addresses:
        command = [
            *(sys.executable, "-I", str(RUNTIME), "serve", "--socket", address),
            *("--script", "score.py", "--app-root", str(folder), "--deployment", "blue"),
            *("--max-concurrent", str(AT_ONCE // processes), "--max-queue", str(AT_ONCE)),
        ]
        begun.append(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True))
    try:
        until(lambda: all(Path(each).exists() for each in addresses), "sockets")
        yield Way(f"{processes} local", addresses, begun)
    finally:
        _end(begun)


@contextlib.contextmanager
def node(folder: Path, workers: int) -> Iterator[Way]:
    serve = {"deployment": "blue", "workers": workers, "max_concurrent": AT_ONCE}
    spec = {
        "contract": 1,
        "mode": "serve",
        "script": "score.py",
        "code": {"path": str(folder)},
        "serve": serve,
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
        command = [sys.executable, "-I", str(RUNTIME), "node"]
        environment = {**os.environ, **told}
        process = subprocess.Popen(command, stdout=out, env=environment, start_new_session=True)
    try:
        words = until(lambda: log.read_text().partition("listens on port ")[2], "its port")
        address = f"127.0.0.1:{words.partition('.')[0]}"
        yield Way(f"node of {workers}", [address], [process])
    finally:
        _end([process])


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()
