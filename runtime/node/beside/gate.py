"""How many requests a server of the user's own has at once: it knows no limit itself."""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from typing import Protocol

from ..door.own import Reply
from ..guard import JSON
from ..spec import Serve

_MEMORY = 1.0
"""Seconds after which a moment counts for a third of what it did in `average`."""


class Waiting(Protocol):
    """A request that is to be passed on."""

    def begin(self) -> None: ...

    def refuse(self, reply: Reply) -> None: ...


class Gate:
    """As an inference server of ours: `max_concurrent` are passed on, `max_queue` wait, each for
    `queue_wait_ms`, and the rest are refused. One that has begun is to `leave`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, serve: Serve) -> None:
        self._loop = loop
        self._serve = serve
        self._waiting: deque[Waiting] = deque()
        self._alarms: dict[Waiting, asyncio.TimerHandle] = {}
        self._chosen: set[Waiting] = set()
        """Those that have a place, and begin with the loop's next turn."""
        self._in_flight = 0
        self._served = 0
        self._failed = 0
        self._average = 0.0
        self._averaged_at = self._busy_until = loop.time()

    @property
    def patience(self) -> float:
        """Seconds in which an answer, or the next piece of it, is to come."""
        return self._serve.timeout_ms / 1000

    def enter(self, request: Waiting) -> None:
        """It begins, or is refused, now or later."""
        self._count()
        if self._in_flight < self._serve.max_concurrent:
            self._in_flight += 1
            request.begin()
        elif len(self._waiting) < self._serve.max_queue:
            self._waiting.append(request)
            wait = self._serve.queue_wait_ms / 1000
            self._alarms[request] = self._loop.call_later(wait, self._late, request)
        else:
            request.refuse(self._overload())

    def forget(self, request: Waiting) -> None:
        """Its caller is gone before it began."""
        self._count()
        if request in self._chosen:
            self._chosen.discard(request)
            self._free_place()
            return
        self._alarms.pop(request).cancel()
        self._waiting.remove(request)

    def leave(self, *, failed: bool) -> None:
        """One that had begun has ended; the next may."""
        self._count()
        self._busy_until = self._loop.time()
        if failed:
            self._failed += 1
        else:
            self._served += 1
        self._free_place()

    def load(self) -> dict[str, float]:
        self._count()
        busy = self._in_flight or self._waiting
        return {
            **self._counts(),
            "average": round(self._average, 3),
            "idle_seconds": 0.0 if busy else round(self._loop.time() - self._busy_until, 3),
        }

    def overrun(self) -> Reply:
        """What a request is told whose answer did not begin in time."""
        told = json.dumps({"message": f"Scoring timeout after {self._serve.timeout_ms} ms"})
        return Reply(500, JSON, told.encode())

    def _free_place(self) -> None:
        if not self._waiting:
            self._in_flight -= 1
            return
        following = self._waiting.popleft()
        self._alarms.pop(following).cancel()
        # Soon, not now: one that ends as it begins leaves at once, and a thousand must not nest.
        self._chosen.add(following)
        self._loop.call_soon(self._begin, following)

    def _begin(self, request: Waiting) -> None:
        if request in self._chosen:
            self._chosen.discard(request)
            request.begin()

    def _late(self, request: Waiting) -> None:
        self.forget(request)
        request.refuse(self._overload())

    def _overload(self) -> Reply:
        serve, counts = self._serve, self._counts()
        message = (
            f"The deployment {serve.deployment} is at its limit: "
            f"{counts['in_flight']} of {serve.max_concurrent} concurrent requests are running and "
            f"{counts['queued']} of {serve.max_queue} are waiting, each for at most "
            f"{serve.queue_wait_ms} ms."
        )
        headers = (
            f"{JSON}Retry-After: 1\r\nms-azureml-model-error-reason: too_many_pending_request\r\n"
        )
        body = {"message": message, "max_queue_wait_ms": serve.queue_wait_ms, **counts}
        return Reply(429, headers, json.dumps(body).encode())

    def _counts(self) -> dict[str, int]:
        return {
            "in_flight": self._in_flight,
            "queued": len(self._waiting),
            "max_concurrent": self._serve.max_concurrent,
            "max_queue": self._serve.max_queue,
            "served": self._served,
            "failed": self._failed,
            "overrun": 0,
        }

    def _count(self) -> None:
        """Before a request comes or goes."""
        now = self._loop.time()
        there = self._in_flight + len(self._waiting)
        fading = math.exp((self._averaged_at - now) / _MEMORY)
        self._average = there + (self._average - there) * fading
        self._averaged_at = now
