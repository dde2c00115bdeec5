"""Many connections and big bodies, beside the same function under bare uvicorn.

Ours is the whole path: the embedded host in a process of its own, key, routing, metrics and the
request log on; one instance, whose limit lies above the connections. The floor is one uvicorn
process. Rounds take turns. `--tls` asks both over TLS, with one certificate.

    python -m benchmarks.online.floor [--rounds N] [--seconds S] [--tls] [--only many,large,...]
"""

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.online.servers import Question, first_answer
from benchmarks.online.wrk import Load, Wrk
from benchmarks.process_tree import looking
from benchmarks.reach import history
from benchmarks.reach.line import Line, at_least, at_most, reached
from infra.compute.local.processes.process_groups import cpu_seconds
from outside import serving
from outside.running_host import RunningHost

_KB, _MB = 2**10, 2**20
SCRIPT = """
def init(): pass
def run(data):
    return iter([data]) if data[:1] == "e" else len(data)
"""
FLOOR = """
async def app(scope, receive, send):
    parts = []
    while True:
        message = await receive()
        parts.append(message["body"])
        if not message.get("more_body"):
            break
    data = b"".join(parts)
    answer = data if data[:1] == b"e" else str(len(data)).encode()
    length = str(len(answer)).encode()
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    await send(start)
    await send({"type": "http.response.body", "body": answer})
"""


@dataclass(frozen=True)
class Kind:
    """`size` bytes a request on so many connections; what answers are is their length, or the
    bytes themselves where they are sent `back`. `share` of the floor's requests/s is the reach."""

    connections: int
    size: int
    share: float
    back: bool = False

    def question(self, url: str, key: str) -> Question:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/octet-stream"}
        letter, expected = ("e", "eeee") if self.back else ("x", str(self.size))
        return Question(url, letter, expected, headers, times=self.size)


_BASE = "usual"
KINDS: Mapping[str, Kind] = {
    _BASE: Kind(32, _KB, 0.45),
    "few": Kind(8, _KB, 0.45),
    "many": Kind(256, _KB, 0.45),
    "crowd": Kind(1000, _KB, 0.45),
    "medium": Kind(8, 64 * _KB, 0.45),
    "big": Kind(8, _MB, 0.9),
    "large": Kind(4, 10 * _MB, 0.9),
    "back": Kind(4, 10 * _MB, 0.9, back=True),
}
_LEFT = 0.9
"""Of the requests/s at 32 connections, with many more."""
_TAIL = 4
"""Times its p50, a p99 at most."""


@dataclass(frozen=True)
class Way:
    url: str
    key: str
    pid: int


@dataclass
class Found:
    ours: list[Load]
    floor: list[Load]
    used: list[float]
    floor_used: list[float]
    """Milliseconds of processor time a request, of all that belongs to it."""
    memory: int
    """The most of our host's own resident bytes over all rounds, and before the first."""
    before: int

    def rate(self) -> float:
        return statistics.median(each.rate for each in self.ours)

    def ratio(self) -> float:
        pairs = zip(self.ours, self.floor, strict=True)
        return statistics.median(ours.rate / floor.rate for ours, floor in pairs)


@contextlib.contextmanager
def _ours(folder: Path, tls: bool) -> Iterator[tuple[RunningHost, Way]]:
    with RunningHost(folder / "data", "--port", "0", *(() if tls else ("--http",))) as host:
        code = serving.codes(host, "length", {"score.py": SCRIPT})
        serving.environment(host)
        serving.endpoint(host, "length")
        limits = {**serving.USUAL, "maxConcurrentRequestsPerInstance": 1024}
        serving.deploy(host, "length/blue", code, requestSettings=limits)
        serving.traffic(host, "length", blue=100)
        url = f"{host.url}/endpoints/length/score"
        yield host, Way(url, serving.key(host, "length"), host.pid)


@contextlib.contextmanager
def _floor(folder: Path, data: Path | None) -> Iterator[Way]:
    """`data` has the certificate to show, where there is to be one."""
    (folder / "floor.py").write_text(FLOOR)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "floor:app", "--port", str(port)]
    command += ["--no-access-log", "--backlog", "2048"]
    if data is not None:
        tls = data / "tls"
        command += ["--ssl-certfile", str(tls / "cert.pem"), "--ssl-keyfile", str(tls / "key.pem")]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as process:
        try:
            yield Way(f"http{'s' if data else ''}://127.0.0.1:{port}/", "-", process.pid)
        finally:
            process.terminate()


def _compare(
    kind: Kind, wrk: Wrk, ways: tuple[Way, Way], host: RunningHost, rounds: int, seconds: float
) -> Found:
    ours, floor = (kind.question(way.url, way.key) for way in ways)
    found = Found([], [], [], [], 0, host.memory())

    def look() -> None:
        found.memory = max(found.memory, host.memory())

    with looking(look, every=0.2):
        for _ in range(rounds):
            for way, question, loads, used in (
                (ways[0], ours, found.ours, found.used),
                (ways[1], floor, found.floor, found.floor_used),
            ):
                before = cpu_seconds(way.pid) or 0
                loads.append(wrk.run(question, kind.connections, seconds))
                after = cpu_seconds(way.pid) or 0
                used.append((after - before) / loads[-1].requests * 1e3)
    return found


def _told(loads: list[Load], used: list[float]) -> str:
    p50, p99 = (statistics.median(getattr(each, name) for each in loads) for name in ("p50", "p99"))
    rate = statistics.median(each.rate for each in loads)
    return f"{rate:,.0f}/s, p50 {p50:.1f}, p99 {p99:.1f} ms, CPU {statistics.median(used):.2f} ms"


def _lines(name: str, kind: Kind, found: Found, base: Found | None) -> Iterator[Line]:
    size = f"{kind.size // _MB} MB" if kind.size >= _MB else f"{kind.size // _KB} KB"
    what = f"{size}{' and back' if kind.back else ''}, {kind.connections:,} connections"
    ours, floor = _told(found.ours, found.used), _told(found.floor, found.floor_used)
    told = f"{found.ratio():.2f} x ({ours}; floor {floor})"
    yield at_least(f"{what}: requests/s, of bare uvicorn's", told, found.ratio(), kind.share, "x")
    if base is not None and kind.size == KINDS[_BASE].size and name != _BASE:
        left = found.rate() / base.rate()
        yield at_least(f"{what}: of those at 32", f"{left:.2f} x", left, _LEFT, "x")
        tail = statistics.median(each.p99 / each.p50 for each in found.ours)
        yield at_most(f"{what}: p99, of its p50", f"{tail:.1f} x", tail, _TAIL, "x")
    if kind.size >= _MB:
        grown = (found.memory - found.before) / _MB
        yield at_most(f"{what}: memory that the host gains", f"{grown:.0f} MB", grown, 16, "MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--only", default=",".join(KINDS))
    arguments = parser.parse_args()
    wrk, seen, lines = Wrk(), dict[str, Found](), list[Line]()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        host, ours = stack.enter_context(_ours(folder, arguments.tls))
        floor = stack.enter_context(_floor(folder, host.data_dir if arguments.tls else None))
        for way in (ours, floor):
            first_answer(KINDS[_BASE].question(way.url, way.key))
        for name in arguments.only.split(","):
            kind = KINDS[name]
            found = _compare(kind, wrk, (ours, floor), host, arguments.rounds, arguments.seconds)
            seen[name] = found
            some = list(_lines(name, kind, found, seen.get(_BASE)))
            for line in some:
                sys.stderr.write(f"{line.what}: {line.told}; load {os.getloadavg()[0]:.1f}\n")
            lines += some
    sys.stdout.write(reached(lines))
    history.keep("floor over TLS" if arguments.tls else "floor", lines)


if __name__ == "__main__":
    main()
