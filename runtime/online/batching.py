"""Adaptive micro-batching: requests that are there at once are scored in one call.

Off unless ML_ENDPOINTS_MAX_BATCH says 2 or more (but for models without a script, whose requests
are joined in another way, see `joining`). One worker takes everything that waits, up
to that many; while it works, the next batch gathers by itself. Only when fewer have come than
came lately does it wait for more, at most ML_ENDPOINTS_MAX_BATCH_DELAY_MS.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from ..server.exchange import Request
from ..server.pool import Pool

MAX_BATCH = "ML_ENDPOINTS_MAX_BATCH"
MAX_DELAY = "ML_ENDPOINTS_MAX_BATCH_DELAY_MS"

_FADE = 0.2
"""How much the latest batch's size counts in what is expected of the next."""
_ENOUGH = 0.95


class BatchLimits(NamedTuple):
    """`size` requests, `delay` seconds."""

    size: int
    delay: float


class BadLimit(ValueError):
    """An environment variable that is no such limit."""


def limits() -> BatchLimits | None:
    """What the environment asks for; None when it asks for no batches. Raises BadLimit."""
    size = _number(MAX_BATCH, 1, 10_000)
    delay = _number(MAX_DELAY, 0, 60_000)
    return BatchLimits(size, delay / 1000) if size > 1 else None


def joined() -> int | None:
    """How many requests to a model without a script one call of it may answer; None where nobody
    says. Raises BadLimit."""
    if _number(MAX_DELAY, 0, 60_000):
        raise BadLimit(
            f"{MAX_DELAY} is set, and requests to a model without a script wait for no others"
        )
    return _number(MAX_BATCH, 1, 10_000) if os.environ.get(MAX_BATCH, "").strip() else None


def _number(name: str, least: int, most: int) -> int:
    text = os.environ.get(name, "").strip() or str(least)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise BadLimit(f"{name} is {text!r}; it must be a whole number from {least} to {most}")
    return int(text)


class BatchingPool(Pool):
    """A pool whose one worker runs what is there as one batch. `run_batch` answers every
    request of it, marks those `failed` that do, and never raises."""

    def __init__(
        self,
        *arguments: Any,
        run_batch: Callable[[list[Request]], None],
        limits: BatchLimits,
        **more: Any,
    ) -> None:
        super().__init__(*arguments, **more)
        self._run_batch = run_batch
        self._limits = limits
        self._expected = 1.0
        self._ready: SimpleQueue[Request | None] = SimpleQueue()

    @property
    def stuck(self) -> bool:
        return self.overrun > 0

    def start(self, first: int) -> None:
        """The caller is the one worker."""

    def stop(self) -> None:
        self._ready.put(None)

    def _give(self, request: Request) -> None:
        self._ready.put(request)

    def work(self, number: int) -> None:
        worker = threading.get_ident()
        while True:
            batch, ended = self._gather()
            now = time.perf_counter()
            for place, request in enumerate(batch):
                self._begin(request, now, worker)
                self._active[place] = request
            if batch:
                self._run_batch(batch)
            for place, request in enumerate(batch):
                self._active[place] = self._overrun[place] = None
                request.leave()
            if ended:
                return

    def _gather(self) -> tuple[list[Request], bool]:
        """The next batch, and whether it is the last."""
        most = min(self._limits.size, self.max_concurrent)
        batch: list[Request] = []
        first = self._ready.get()
        if first is None:
            return batch, True
        batch.append(first)
        until = time.perf_counter() + self._limits.delay
        ended = False
        while len(batch) < most and not ended:
            left = until - time.perf_counter() if len(batch) < self._expected * _ENOUGH else 0.0
            try:
                following = self._ready.get(timeout=left) if left > 0 else self._ready.get_nowait()
            except Empty:
                break
            if following is None:
                ended = True
            else:
                batch.append(following)
        # What came during the last run counts as come at once, so this settles at the number
        # of callers there are.
        self._expected += (len(batch) - self._expected) * _FADE
        return [request for request in batch if not self._skip(request)], ended

    def _skip(self, request: Request) -> bool:
        """Whether nobody waits for it any more."""
        if request.gone:
            request.failed = True
            self._release(request)
        return request.gone
