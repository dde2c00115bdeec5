"""What the way to a container takes with nothing of ours on it: bytes there and back.

    python -m benchmarks.nodes.bare_network --engine unix:///path --base IMAGE:{python}
        [--rounds 15] [--group /sys/fs/cgroup/…]

The same small server (a head and a body in, as many out) over a Unix socket and over loopback as a
process, and in a container over the engine's bridge, asked in turns over 1 and 32 connections by
one client, as a host asks. Whatever passes requests to a container takes this much more.
A container is a control group, which gets the share of one process: `--group` has it in another,
on a machine that does other things too.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from infra.compute.docker.engine import Engine

CONNECTIONS = (1, 32)
ASKED = b"P" * 420
"""As long as a head of ours with a small body."""
SERVER = """
import asyncio, sys
class Answer(asyncio.Protocol):
    def connection_made(self, transport): self.transport, self.left = transport, 420
    def data_received(self, data):
        self.left -= len(data)
        if not self.left:
            self.left = 420
            self.transport.write(b"A" * 260)
async def main():
    loop, where = asyncio.get_running_loop(), sys.argv[1]
    if where.startswith("/"):
        server = await loop.create_unix_server(Answer, where)
    else:
        server = await loop.create_server(Answer, "0.0.0.0", int(where))
    await server.serve_forever()
asyncio.run(main())
"""
ANSWERED = 260


class Caller(asyncio.Protocol):
    """One connection, which asks again once it is answered, until it is closed."""

    def __init__(self, took: list[float]) -> None:
        self._took = took
        self._left = ANSWERED
        self._since = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("not a stream")
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if not self._left:
            self._took.append(time.perf_counter() - self._since)
            self._left = ANSWERED
            self._ask()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _ask(self) -> None:
        if self._transport is not None:
            self._since = time.perf_counter()
            self._transport.write(ASKED)


def _same(caller: Caller) -> Caller:
    return caller


async def load(address: str, connections: int, seconds: float) -> list[float]:
    """For how long each answer took."""
    loop, took = asyncio.get_running_loop(), list[float]()
    callers = [Caller(took) for _ in range(connections)]
    for caller in callers:
        host, _, port = address.rpartition(":")
        if host:
            await loop.create_connection(partial(_same, caller), host, int(port))
        else:
            await loop.create_unix_connection(partial(_same, caller), address)
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.close()
    return took


async def contained(engine: Engine, image: str, group: Path | None) -> tuple[str, str]:
    """Id and address of a container with the server."""
    command = ["python3", "-I", "-c", SERVER, "5001"]
    body: dict[str, Any] = {"Image": image, "Entrypoint": command, "Cmd": []}
    made = await engine.post("containers/create", body)
    id = str(made["Id"])
    await engine.post(f"containers/{id}/start")
    shown = await engine.get(f"containers/{id}/json")
    if group is not None:
        (group / "cgroup.procs").write_text(str(shown["State"]["Pid"]))
    networks = shown["NetworkSettings"]["Networks"].values()
    [address] = [each["IPAddress"] for each in networks if each["IPAddress"]]
    return id, f"{address}:5001"


async def measure(ways: dict[str, str], rounds: int) -> None:
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    halves: dict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(rounds):
        for connections in CONNECTIONS:
            for way, address in ways.items():
                took = await load(address, connections, 0.5)
                rates[way, connections].append(len(took) / 0.5)
                halves[way, connections].append(statistics.median(took) * 1e3)
    for (way, connections), each in rates.items():
        half = statistics.median(halves[way, connections])
        more = half - statistics.median(halves["a Unix socket", connections])
        told = f"{statistics.median(each):,.0f}/s, p50 {half:.3f} ms, {more:+.3f} ms"
        sys.stdout.write(f"{way}, {connections} connections: {told}\n")


async def answered(address: str) -> None:
    for _ in range(200):
        with suppress(OSError):
            if await load(address, 1, 0.05):
                return
        await asyncio.sleep(0.05)
    raise SystemExit(f"nobody answers at {address}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--group", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with tempfile.TemporaryDirectory() as folder:
        socket, port = str(Path(folder) / "s"), 5079
        served = [
            subprocess.Popen([sys.executable, "-I", "-c", SERVER, where])
            for where in (socket, str(port))
        ]
        try:
            asyncio.run(_run(options, socket, port, version))
        finally:
            for each in served:
                each.kill()


async def _run(options: argparse.Namespace, socket: str, port: int, version: str) -> None:
    engine = Engine(options.engine)
    image = options.base.format(python=version)
    id, address = await contained(engine, image, options.group)
    ways = {"a Unix socket": socket, "loopback": f"127.0.0.1:{port}", "a container": address}
    try:
        for each in ways.values():
            await answered(each)
        await measure(ways, options.rounds)
    finally:
        await engine.delete(f"containers/{id}", force=True)
        await engine.close()


if __name__ == "__main__":
    main()
