"""What the door of a node costs, beside local processes of the same script.

    python -m benchmarks.nodes.door [--rounds N] [--seconds N] [--bare]

The host's application (all of the gateway but the server before it) asks local processes at their
Unix sockets and a node agent at its TCP door, in turns: one process each, then two, of which the
node's stand behind its agent. `--bare` leaves out all but the HTTP client. The processors' time of
all that serves is counted too: on a machine with other work to do it says more than the clock.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.instant_scoring import (
    KEY,
    admission_by,
    audit_log_in,
    host_app,
    put_endpoint,
    scope,
    scoring,
)
from benchmarks.nodes.ways import SECRET, Way, local, node
from domain.ports import Instance, Scorer, ScoringRequest
from infra.compute.http.unix_http import UnixHttp
from infra.compute.local.serving.local_scorer import LocalScorer
from infra.compute.remote.remote_scorer import RemoteScorer
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore

BODY = b'{"data": [[5.1, 3.5, 1.4, 0.2]]}' * 3
SCRIPT = "def init():\n    pass\n\ndef run(data):\n    return [1]\n"
HEADERS = [
    ("host", "127.0.0.1:7443"),
    ("authorization", f"Bearer {KEY}"),
    ("content-type", "application/json"),
    ("content-length", str(len(BODY))),
]
CALLERS = (1, 32)

Once = Callable[[], Awaitable[int]]
"""One request; its status."""


@dataclass
class Measured:
    way: Way
    once: Once
    rates: dict[int, list[float]] = field(default_factory=dict)
    halves: dict[int, list[float]] = field(default_factory=dict)
    costs: dict[int, list[float]] = field(default_factory=dict)

    async def run(self, callers: int, seconds: float) -> None:
        latencies: list[float] = []
        before, began = self.way.used(), time.perf_counter()

        async def caller() -> None:
            now = time.perf_counter()
            while now - began < seconds:
                status = await self.once()
                if status != 200:
                    raise SystemExit(f"{self.way.name} answers {status}")
                before, now = now, time.perf_counter()
                latencies.append(now - before)

        await asyncio.gather(*(caller() for _ in range(callers)))
        took, used = time.perf_counter() - began, self.way.used() - before
        self.rates.setdefault(callers, []).append(len(latencies) / took)
        self.halves.setdefault(callers, []).append(statistics.median(latencies) * 1e3)
        self.costs.setdefault(callers, []).append(used / len(latencies) * 1e6)

    def row(self, callers: int, beside: "Measured") -> str:
        rate, half, cost = (
            statistics.median(each[callers]) for each in (self.rates, self.halves, self.costs)
        )
        share = rate / statistics.median(beside.rates[callers])
        more = half - statistics.median(beside.halves[callers])
        return (
            f"| {self.way.name} | {callers} | {rate:,.0f} | {share:.2f} | {half:.2f} |"
            f" {more:+.2f} | {cost:.0f} |\n"
        )


def scorer_of(way: Way, http: UnixHttp) -> Scorer:
    if way.name.startswith("node"):
        return RemoteScorer(http, lambda _: SECRET)
    return LocalScorer(http)


def bare(way: Way, http: UnixHttp) -> Once:
    scorer = scorer_of(way, http)
    instances = [Instance(address, address) for address in way.addresses]
    request = ScoringRequest("POST", "/score", "", HEADERS, BODY)

    async def once() -> int:
        fewest = min(instances, key=lambda each: http.in_flight(each.address))
        return (await scorer.score(fewest, request, timeout=60)).status

    return once


@contextlib.asynccontextmanager
async def gateway(way: Way, http: UnixHttp, place: Path) -> AsyncIterator[Once]:
    folder = place / f"gateway of {way.name}"
    folder.mkdir()
    store = SqliteResourceStore(folder / "documents.db")
    cipher = FernetCipher(folder / "cipher.key")
    await put_endpoint(store, cipher)
    scorer = scorer_of(way, http)
    activity = scoring(store, cipher, scorer=scorer, addresses=way.addresses)
    log = audit_log_in(folder)
    asgi = host_app(activity, admission_by(log))
    headers = [(name.encode(), value.encode()) for name, value in HEADERS]

    async def once() -> int:
        statuses, told = [], False

        async def receive() -> dict[str, Any]:
            nonlocal told
            if told:  # the caller stays
                await asyncio.get_running_loop().create_future()
            told = True
            return {"type": "http.request", "body": BODY, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await asgi(scope(headers), receive, send)
        return int(statuses[0])

    yield once
    await log.close()
    await store.close()


async def main(rounds: int, seconds: float, only_client: bool) -> None:
    http = UnixHttp()
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nd")))
        (folder / "score.py").write_text(SCRIPT)
        pairs = []
        for count in (1, 2):
            pair = []
            for begin in (local, node):
                way = stack.enter_context(begin(folder, count))
                once = bare(way, http)
                await ready(once)
                if not only_client:
                    once = await stack.enter_async_context(gateway(way, http, folder))
                pair.append(Measured(way, once))
            pairs.append(pair)
        stack.callback(http.close)
        for _ in range(rounds):
            for callers in CALLERS:
                for pair in pairs:
                    for each in pair:
                        await each.run(callers, seconds)
        sys.stdout.write("| way | callers | requests/s | of local | p50 ms | more | CPU us |\n")
        sys.stdout.write("|---|---|---|---|---|---|---|\n")
        for pair in pairs:
            for callers in CALLERS:
                for each in pair:
                    sys.stdout.write(each.row(callers, pair[0]))


async def ready(once: Once) -> None:
    """And some more: the first requests are slower."""
    done, ends = 0, time.monotonic() + 60
    while done < 500:
        with contextlib.suppress(Exception):
            done += await once() == 200
        if time.monotonic() > ends:
            raise SystemExit("it is not ready")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--bare", action="store_true")
    arguments = parser.parse_args()
    uvloop.run(main(arguments.rounds, arguments.seconds, arguments.bare))
