"""A small HTTP client for load: raw requests over kept connections, so that the client costs
little beside what is measured."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Outcome:
    """What came of a run: statuses, and the seconds of each status."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: dict[int, list[float]] = field(default_factory=dict)

    def note(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.latencies.setdefault(status, []).append(seconds)

    def rate(self, status: int = 200) -> float:
        return self.statuses[status] / self.seconds

    def quantile(self, share: float, status: int = 200) -> float:
        """Seconds."""
        found = sorted(self.latencies.get(status, [0.0]))
        return found[min(int(share * len(found)), len(found) - 1)]


class Target:
    """One URL, asked with one body; at a Unix `socket`, where one is given. `headers` are ready
    text."""

    def __init__(
        self, url: str, key: str, body: bytes, socket: str = "", headers: str = ""
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._socket = socket
        self._request = (
            f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
            f"authorization: Bearer {key}\r\ncontent-type: application/json\r\n"
            f"{headers}content-length: {len(body)}\r\n\r\n"
        ).encode() + body
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, outcome: Outcome) -> None:
        started = time.perf_counter()
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await self._connect()
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        fields = head.lower()
        at = fields.index(b"content-length:") + 15
        await reader.readexactly(int(fields[at : fields.index(b"\r", at)]))
        outcome.note(int(head[9:12]), time.perf_counter() - started)
        self._idle.append((reader, writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._socket:
            return await asyncio.open_unix_connection(self._socket)
        return await asyncio.open_connection(self._host, self._port)

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


async def open_loop(target: Target, rate: float, seconds: float) -> Outcome:
    """`rate` requests a second, whatever becomes of them."""
    outcome = Outcome()
    tasks: set[asyncio.Task[None]] = set()
    started = time.perf_counter()
    sent = 0
    while (now := time.perf_counter() - started) < seconds:
        while sent < now * rate:
            task = asyncio.create_task(target.ask(outcome))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.sleep(0.001)
    while tasks:
        await asyncio.wait(set(tasks))
    outcome.seconds = time.perf_counter() - started
    return outcome


async def closed_loop(target: Target, callers: int, seconds: float) -> Outcome:
    """Each caller asks again as soon as it is answered."""
    outcome = Outcome()
    started = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - started < seconds:
            await target.ask(outcome)

    await asyncio.gather(*(caller() for _ in range(callers)))
    outcome.seconds = time.perf_counter() - started
    return outcome
