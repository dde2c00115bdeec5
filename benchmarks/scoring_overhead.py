"""What the gateway itself costs a request: everything between the server's ASGI call and the
instance, with an instance that answers at once.

    python -m benchmarks.scoring_overhead [--requests N] [--profile]
"""

import argparse
import asyncio
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from azurefunctions.extensions.http.fastapi import Request

from benchmarks.instant_scoring import (
    ENDPOINT,
    KEY,
    admission_by,
    audit_log_in,
    host_app,
    put_endpoint,
    scope,
    scoring,
)
from domain.scoring.request_record import RequestRecord
from domain.scoring.scoring_exchange import SCORE, Call, RequestBody
from handlers.data import scoring as handlers
from handlers.data.cors import Cors
from handlers.data.scoring_gate import ScoringGate
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore

BODY = b'{"data": [[5.1, 3.5, 1.4, 0.2]]}' * 3
HEADERS = [
    ("host", "127.0.0.1:7443"),
    ("authorization", f"Bearer {KEY}"),
    ("content-type", "application/json"),
    ("accept", "*/*"),
    ("user-agent", "bench"),
    ("content-length", str(len(BODY))),
]


class WholeBody(RequestBody):
    async def whole(self) -> bytes:
        return BODY

    async def pieces(self) -> AsyncIterator[bytes]:
        yield BODY


async def main(requests: int, profile: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteResourceStore(Path(folder) / "documents.db")
        cipher = FernetCipher(Path(folder) / "cipher.key")
        await put_endpoint(store, cipher)
        activity = scoring(store, cipher, _forget)
        body = WholeBody()
        raw = [(name.encode(), value.encode()) for name, value in HEADERS]

        log = audit_log_in(Path(folder))
        admission = admission_by(log)
        gate = ScoringGate(activity, admission.door)

        async def domain() -> None:
            answer = await activity.score(Call(ENDPOINT, "POST", SCORE, "", list(HEADERS), body))
            assert answer.status == 200

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": BODY, "more_body": False}

        async def send(message: Any) -> None:
            pass

        async def handler() -> None:
            response = await handlers._pass(
                gate, Cors(()), Request(scope(raw), receive), ENDPOINT, SCORE
            )
            assert response.status_code == 200

        asgi = host_app(activity, admission)

        async def whole() -> None:
            await asgi(scope(raw), receive, send)

        for name, once in (("domain", domain), ("handler", handler), ("host app", whole)):
            figure = await microseconds(once, requests)
            sys.stdout.write(f"{name:9} {figure:6.1f} us a request\n")
        if profile:
            profiler = cProfile.Profile()
            profiler.enable()
            await microseconds(handler, requests)
            profiler.disable()
            pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
        await log.close()
        await store.close()


def _forget(record: RequestRecord) -> None:
    """A listener, so that the making of records is counted in."""


async def microseconds(once: Callable[[], Awaitable[None]], requests: int) -> float:
    """The best of five rounds: the machine is shared, and noise only adds."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(requests // 5):
            await once()
        best = min(best, (time.perf_counter() - started) / (requests // 5))
        await asyncio.sleep(0)
    return best * 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    uvloop.run(main(arguments.requests, arguments.profile))
