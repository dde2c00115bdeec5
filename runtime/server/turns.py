"""Whose turn it is: the worker at hand takes the next request, or another is woken for it.

Where runs are brief and never wait, more threads than one only fight for the interpreter's
lock: each takes a turn of waking, and who loses waits behind all others again. So a request is
left to the worker that is at it already, as long as that one gets on; where it does not, or
where runs wait for something, every request has a worker of its own. Of idle workers the last
to fall idle is woken: its stack and its caches are warm.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from .exchange import Request

PATIENCE = 0.002
"""Seconds that a request is left to a worker that takes none."""

_BRIEF = 0.001
_WAITING = 0.0003
"""A run is brief that takes less of the processor, and waits less, than these seconds."""

_SURE = 32
_TRIED = 8
_RETRY = 1.0
_MAX_RETRY = 60.0


class Turns:
    """A queue of requests, from any thread to the workers."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._loop = loop
        self._now = now
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Request | None]] = []
        self._behind: deque[Request] = deque()
        self._closed = False
        self._watched = False
        self._taken = 0
        self._seen = 0
        self._stalls = 0
        # Given out last, and not yet ended.
        self._latest: Request | None = None
        self._given_at = 0.0
        # Above zero while runs are brief; it takes many to be sure, half as many to doubt.
        self._sureness = _SURE
        self._retry_at = 0.0
        self._retry_after = _RETRY

    @property
    def brief(self) -> bool:
        """Whether runs are taken to be brief."""
        return self._sureness > 0

    def put(self, request: Request) -> None:
        with self._lock:
            now = self._now()
            if self._idle and not self._leave_behind(now):
                self._wake(request, now)
                return
            self._behind.append(request)
            if self._watched:
                return
            self._watched = True
        self._loop.call_soon_threadsafe(self._watch)

    def close(self) -> None:
        """Let every worker end once nothing is left to take."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().put(None)

    def take(self, after: Request | None, bell: SimpleQueue[Request | None]) -> Request | None:
        """In a worker that has ended `after` and is woken by `bell`, its own: wait for the
        next request; None when there will be no more."""
        with self._lock:
            if self._behind:
                request = self._behind.popleft()
                self._latest, self._given_at = request, self._now()
                self._taken += 1
                return request
            if self._latest is after:
                self._latest = None
            if self._closed:
                return None
            self._idle.append(bell)
        return bell.get()

    def remove(self, request: Request) -> bool:
        """Whether it was there, and no worker will take it."""
        with self._lock:
            try:
                self._behind.remove(request)
            except ValueError:
                return False
            return True

    def ended(self, used: float, waited: float) -> None:
        """A run has `used` the processor so long, and `waited` so long for something."""
        if self._sureness <= 0:
            return  # with a thread for each, they wait for each other
        if used < _BRIEF and waited < _WAITING:
            if self._sureness < _SURE:
                self._sureness += 1
            else:
                self._retry_after = _RETRY
            return
        self._sureness -= 2
        if self._sureness <= 0:
            self._retry_at = self._now() + self._retry_after
            self._retry_after = min(self._retry_after * 2, _MAX_RETRY)

    def _leave_behind(self, now: float) -> bool:
        if self._sureness <= 0:
            if now < self._retry_at:
                return False
            self._sureness = _TRIED
        return self._latest is not None and now - self._given_at < PATIENCE

    def _wake(self, request: Request, now: float) -> None:
        self._latest, self._given_at = request, now
        self._idle.pop().put(request)

    def _watch(self) -> None:
        self._loop.call_later(PATIENCE, self._look)

    def _look(self) -> None:
        """Wake more workers, ever more, while none takes what was left behind."""
        with self._lock:
            if self._taken == self._seen:
                now = self._now()
                for _ in range(min(1 << self._stalls, len(self._behind), len(self._idle))):
                    self._wake(self._behind.popleft(), now)
                self._stalls = min(self._stalls + 1, 16)
            else:
                self._stalls = 0
            self._seen = self._taken
            self._watched = bool(self._behind)
        if self._watched:
            self._watch()
