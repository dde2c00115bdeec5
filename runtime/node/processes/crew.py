"""The model's processes of a node, as its door sees them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Protocol

from ...server.exchange import COLLECTED
from ..door.asking import Lost, ask
from ..door.upstream import Way
from ..faults import NodeFailed
from .worker import LastDeath

_ASKED = 2.0
_SILENT = 1e6
"""By how much a silent process is taken to be fuller than it is."""
_SUMS = ("in_flight", "queued", "max_concurrent", "max_queue", "served", "failed", "overrun")


class Member(Protocol):
    """A process of the model's, as a Worker has it."""

    number: int
    share: int
    ready: bool
    restarts: int

    @property
    def silent(self) -> bool: ...

    @property
    def way(self) -> Way | None: ...

    @property
    def failure(self) -> NodeFailed | None: ...

    @property
    def last_death(self) -> LastDeath | None: ...

    @property
    def is_over(self) -> bool: ...

    def start(self) -> None: ...

    def end(self) -> None: ...

    async def over(self) -> None: ...

    async def stop(self) -> None: ...


class Crew:
    def __init__(self, workers: Sequence[Member] = ()) -> None:
        self.workers = workers

    def start(self) -> None:
        for worker in self.workers:
            worker.start()

    @property
    def ready(self) -> int:
        return sum(worker.ready for worker in self.workers)

    @property
    def silent(self) -> int:
        return sum(worker.silent for worker in self.workers)

    @property
    def restarts(self) -> int:
        return sum(worker.restarts for worker in self.workers)

    @property
    def failure(self) -> NodeFailed | None:
        return next((each.failure for each in self.workers if each.failure), None)

    @property
    def last_death(self) -> LastDeath | None:
        deaths = [worker.last_death for worker in self.workers if worker.last_death]
        return max(deaths, key=lambda death: death.time, default=None)

    def with_most_room(self, but: Sequence[Member] = ()) -> Member | None:
        """Of those that are ready, the one that is least taken; one that is silent only where
        all are."""
        best: Member | None = None
        least = 0.0
        for worker in self.workers:
            if worker.ready and worker.way is not None and worker not in but:
                taken = worker.way.in_flight / worker.share + worker.silent * _SILENT
                if best is None or taken < least:
                    best, least = worker, taken
        return best

    async def load(self) -> dict[str, float]:
        """What the processes say of themselves, added up. A process that is not up adds
        nothing."""
        loads = await asyncio.gather(*(self._load(each) for each in self.workers))
        told = [load for load in loads if load is not None]
        summed: dict[str, float] = {name: sum(int(load[name]) for load in told) for name in _SUMS}
        summed["average"] = round(sum(float(load["average"]) for load in told), 3)
        idle = min((float(load["idle_seconds"]) for load in told), default=0.0)
        summed["idle_seconds"] = idle
        return summed

    async def _load(self, worker: Member) -> dict[str, Any] | None:
        if worker.way is None:
            return None
        try:
            status, body = await ask(worker.way, "GET", "/load", timeout=_ASKED)
            load = json.loads(body) if status == 200 else None
        except (Lost, ValueError):
            return None
        whole = isinstance(load, dict) and {*_SUMS, "average", "idle_seconds"} <= load.keys()
        return load if whole else None

    async def collected(self) -> bytes:
        """What the processes' scripts have collected; whoever asks has it alone."""
        found = await asyncio.gather(*(self._collected(each) for each in self.workers))
        return b"".join(found)

    async def _collected(self, worker: Member) -> bytes:
        if worker.way is None:
            return b""
        try:
            status, body = await ask(worker.way, "POST", COLLECTED, timeout=_ASKED)
        except Lost:
            return b""
        return body if status == 200 else b""

    async def end(self, seconds: float) -> None:
        """They finish what they are at, for so long; then all have ended."""
        for worker in self.workers:
            worker.end()
        overs = [asyncio.ensure_future(worker.over()) for worker in self.workers]
        if overs:
            await asyncio.wait(overs, timeout=seconds)
        await asyncio.gather(*(worker.stop() for worker in self.workers))
        await asyncio.gather(*overs)
