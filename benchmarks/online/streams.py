"""Many answers that come token by token, beside the same generator under bare uvicorn.

Ours is the whole path: the embedded host in a process of its own, key, routing, metrics and
the request log on, plain HTTP; one instance. The floor is one uvicorn process. Rounds take
turns. Each token is one item of the script's generator.

    python -m benchmarks.online.streams [--rounds N] [--only quick,slow,async]
"""

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

from infra.compute.local.processes.process_groups import cpu_seconds
from outside import serving
from outside.running_host import RunningHost

TOKEN = b"~"
"""Once in each token, and nowhere else in an answer."""
SCRIPT = """
import asyncio, json, time
def init(): pass
def run(data):
    data = json.loads(data)
    count, pause = data["count"], data["pause"]
    if data["async"]:
        async def tokens():
            for n in range(count):
                if pause: await asyncio.sleep(pause)
                yield "token ~ "
        return tokens()
    def tokens():
        for n in range(count):
            if pause: time.sleep(pause)
            yield "token ~ "
    return tokens()
"""
FLOOR = """
import asyncio, json
async def app(scope, receive, send):
    data = json.loads((await receive())["body"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for n in range(data["count"]):
        if data["pause"]: await asyncio.sleep(data["pause"])
        await send({"type": "http.response.body", "body": b"token ~ ", "more_body": True})
    await send({"type": "http.response.body", "body": b""})
"""


@dataclass(frozen=True)
class Load:
    """`streams` at once of `tokens` each, `pause` seconds apart."""

    streams: int
    tokens: int
    pause: float
    by_loop: bool = False

    @property
    def body(self) -> bytes:
        by_loop = "true" if self.by_loop else "false"
        return b'{"count": %d, "pause": %g, "async": %b}' % (
            self.tokens,
            self.pause,
            by_loop.encode(),
        )


LOADS: Mapping[str, Load] = {
    "quick": Load(64, 500, 0),
    "slow": Load(200, 50, 0.02),
    "async": Load(1000, 50, 0.2, by_loop=True),
}


@dataclass(frozen=True)
class Seen:
    """Tokens a second over all streams, and seconds until each stream's first."""

    rate: float
    firsts: list[float]
    cpu: float

    def first(self, share: float) -> float:
        return sorted(self.firsts)[int(share * (len(self.firsts) - 1))]


class _Caller(asyncio.Protocol):
    """Asks one question and counts the tokens of its answer."""

    def __init__(self, request: bytes, ended: "asyncio.Future[None]") -> None:
        self._request = request
        self._ended = ended
        self._tail = b""
        self.began = self.first = 0.0
        self.tokens = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.began = time.perf_counter()
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        found = data.count(TOKEN)
        if found and not self.tokens:
            self.first = time.perf_counter() - self.began
        self.tokens += found
        self._tail = (self._tail + data)[-200:]
        if self._tail[-5:] == b"0\r\n\r\n" and not self._ended.done():
            self._ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            told = f"an answer broke off after {self.tokens} tokens: {self._tail!r} {exc}"
            self._ended.set_exception(ConnectionError(told))


def _cpu(pid: int) -> float:
    return cpu_seconds(pid) or 0.0


async def _ask(port: int, path: str, key: str, load: Load, pid: int) -> Seen:
    loop = asyncio.get_running_loop()
    request = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(load.body)}\r\n\r\n"
    ).encode() + load.body
    used = _cpu(pid)
    started = time.perf_counter()
    callers = []
    for _ in range(load.streams):
        ended: asyncio.Future[None] = loop.create_future()
        transport, caller = await loop.create_connection(
            lambda ended=ended: _Caller(request, ended),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        callers.append((transport, caller, ended))
    await asyncio.gather(*(ended for _, _, ended in callers))
    took = time.perf_counter() - started
    for transport, _, _ in callers:
        transport.close()
    tokens = sum(caller.tokens for _, caller, _ in callers)
    if tokens != load.streams * load.tokens:
        raise AssertionError(f"{tokens} tokens came of {load.streams * load.tokens}")
    firsts = [caller.first for _, caller, _ in callers]
    return Seen(tokens / took, firsts, _cpu(pid) - used)


@contextlib.contextmanager
def _ours(folder: Path) -> Iterator[tuple[int, str, str, int]]:
    with RunningHost(folder / "data", "--port", "0", "--http") as host:
        code = serving.codes(host, "streams", {"score.py": SCRIPT})
        serving.environment(host)
        serving.endpoint(host, "streams")
        limits = {**serving.USUAL, "maxConcurrentRequestsPerInstance": 1024}
        serving.deploy(host, "streams/blue", code, requestSettings=limits)
        serving.traffic(host, "streams", blue=100)
        port = int(host.url.rpartition(":")[2])
        yield port, "/endpoints/streams/score", serving.key(host, "streams"), host.pid


@contextlib.contextmanager
def _floor(folder: Path) -> Iterator[tuple[int, str, str, int]]:
    (folder / "floor.py").write_text(FLOOR)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "floor:app", "--port", str(port)]
    command += ["--no-access-log", "--backlog", "2048"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.02)
            yield port, "/", "-", process.pid
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(LOADS))
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        _ours(Path(name)) as ours,
        _floor(Path(name)) as floor,
    ):
        for load in arguments.only.split(","):
            _compare(load, LOADS[load], {"ours": ours, "uvicorn": floor}, arguments.rounds)


def _compare(
    name: str, load: Load, ways: Mapping[str, tuple[int, str, str, int]], rounds: int
) -> None:
    sys.stdout.write(
        f"{name}: {load.streams} streams of {load.tokens} tokens, {load.pause * 1000:g} ms apart; "
        f"load average {os.getloadavg()[0]:.1f}\n"
    )
    seen: dict[str, list[Seen]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, (port, path, key, pid) in ways.items():
            found = uvloop.run(_ask(port, path, key, load, pid))
            if number:
                seen[way].append(found)
    for way, all_seen in seen.items():
        rate = statistics.median(each.rate for each in all_seen)
        p50 = statistics.median(each.first(0.5) for each in all_seen) * 1000
        p99 = statistics.median(each.first(0.99) for each in all_seen) * 1000
        cpu = statistics.median(each.cpu for each in all_seen)
        cpu = cpu / load.streams / load.tokens * 1e6
        ideal = "" if not load.pause else f", {rate * load.pause / load.streams:.2f} of the ideal"
        sys.stdout.write(
            f"  {way:8} {rate:9,.0f} tokens/s{ideal}; first token p50 {p50:.0f} ms, "
            f"p99 {p99:.0f} ms; CPU {cpu:.1f} us a token\n"
        )
    ratios = [a.rate / b.rate for a, b in zip(seen["ours"], seen["uvicorn"], strict=True)]
    sys.stdout.write(f"  ours / uvicorn: {statistics.median(ratios):.2f}\n")


if __name__ == "__main__":
    main()
