"""Who runs when: at most `max_concurrent` requests in worker threads, `max_queue` waiting.

A request that ends hands its place to the next that waits; which worker takes it is said in
`turns`. A thread cannot be killed, so a run past its time limit is answered, counted as
`overrun` and goes on holding its worker.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from .exchange import Request
from .thread_use import ThreadUse
from .turns import Turns

_MEMORY = 1.0
"""Seconds after which a moment counts for a third of what it did in `average`."""


class Pool:
    """`run` answers a request in a worker, marks it `failed` if it does, and never raises.
    `on_late` and `on_overrun` are called on the loop for one that waited too long, or whose
    answer, or the next piece of it, is not there `timeout` seconds after the one before."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        run: Callable[[Request], None],
        *,
        max_concurrent: int,
        max_queue: int,
        queue_wait: float | None = None,
        timeout: float | None = None,
        on_late: Callable[[Request], None],
        on_overrun: Callable[[Request], None],
    ) -> None:
        self._loop = loop
        self._run = run
        self.max_concurrent = max_concurrent
        self.max_queue = max_queue
        self._queue_wait = queue_wait
        self._patience = math.inf if timeout is None else timeout
        self._on_late = on_late
        self._on_overrun = on_overrun
        self._lock = threading.Lock()
        self._turns = Turns(loop)
        self._waiting: deque[Request] = deque()
        self._active: list[Request | None] = [None] * max_concurrent
        self._overrun: list[Request | None] = [None] * max_concurrent
        self._alarm: asyncio.TimerHandle | None = None
        self.in_flight = 0
        self.served = 0
        self.failed = 0
        self._average = 0.0
        self._averaged_at = self._busy_until = time.perf_counter()

    @property
    def queued(self) -> int:
        return len(self._waiting)

    @property
    def overrun(self) -> int:
        # A worker may end between the check and the mark: then the mark is stale.
        pairs = zip(self._active, self._overrun)  # noqa: B905 - `strict` needs Python 3.10
        return sum(active is not None and active is marked for active, marked in pairs)

    @property
    def unanswered(self) -> int:
        """Requests that somebody still waits for."""
        return self.in_flight - self.overrun + self.queued

    @property
    def stuck(self) -> bool:
        """Nothing can run any more: every worker is past its time limit."""
        return self.overrun == self.max_concurrent

    @property
    def average(self) -> float:
        """Requests running and waiting, as a mean over the last second or so."""
        with self._lock:
            self._count_until(time.perf_counter())
            return self._average

    @property
    def idle(self) -> float:
        """Seconds since there was a request."""
        with self._lock:
            there = self.in_flight or self._waiting
            return 0.0 if there else time.perf_counter() - self._busy_until

    def _count_until(self, now: float) -> None:
        """With the lock held, before a request comes or goes."""
        there = self.in_flight + len(self._waiting)
        fading = math.exp((self._averaged_at - now) / _MEMORY)
        self._average = there + (self._average - there) * fading
        self._averaged_at = now

    def start(self, first: int) -> None:
        """Start the workers numbered from `first`; the caller runs those below it. Only from
        now on can it be idle: a long `init` is none of it."""
        self._busy_until = time.perf_counter()
        for number in range(first, self.max_concurrent):
            threading.Thread(
                target=self.work, args=(number,), name=f"run-{number}", daemon=True
            ).start()

    def stop(self) -> None:
        """Workers end when they have nothing left to do."""
        self._turns.close()

    # -- on the loop ----------------------------------------------------------------------

    def offer(self, request: Request) -> bool:
        """Run it now or later; False when there is no room."""
        now = request.entered = time.perf_counter()
        with self._lock:
            self._count_until(now)
            if self.in_flight < self.max_concurrent:
                self.in_flight += 1
                start = True
            elif len(self._waiting) < self.max_queue:
                self._waiting.append(request)
                start = False
            else:
                return False
        if start:
            self._give(request)
            self._wake_by(self._patience)
        elif self._queue_wait is not None:
            self._wake_by(self._queue_wait)
        return True

    def drop(self, request: Request) -> None:
        """Its client is gone: if it still waits, it never runs."""
        with self._lock:
            self._count_until(time.perf_counter())
            try:
                self._waiting.remove(request)
            except ValueError:
                if not self._turns.remove(request):
                    return  # it is running, or done
                self._free_place()

    def _wake_by(self, delay: float) -> None:
        if delay == math.inf:
            return
        when = self._loop.time() + delay
        if self._alarm is not None:
            if self._alarm.when() <= when:
                return
            self._alarm.cancel()
        self._alarm = self._loop.call_at(when, self._check)

    def _check(self) -> None:
        self._alarm = None
        now = time.perf_counter()
        late: list[Request] = []
        soonest = math.inf
        with self._lock:
            self._count_until(now)
            if self._queue_wait is not None:
                while self._waiting and self._waiting[0].entered + self._queue_wait <= now:
                    late.append(self._waiting.popleft())
                if self._waiting:
                    soonest = self._waiting[0].entered + self._queue_wait - now
        for request in late:
            self._on_late(request)
        for number, active in enumerate(self._active):
            if active is None or active is self._overrun[number]:
                continue
            left = active.due - now
            if left <= 0:
                self._overrun[number] = active
                self._on_overrun(active)
            else:
                soonest = min(soonest, left)
        if self.in_flight:
            # Whose client takes its time now may be due that much after.
            soonest = min(soonest, self._patience)
        self._wake_by(max(soonest, 0.001))

    # -- in a worker ----------------------------------------------------------------------

    def work(self, number: int) -> None:
        """Run requests until `stop`."""
        worker = threading.get_ident()
        bell: SimpleQueue[Request | None] = SimpleQueue()
        request = None
        while True:
            request = self._turns.take(request, bell)
            if request is None:
                return
            use = ThreadUse()
            self._begin(request, use.began, worker)
            self._active[number] = request
            self._run(request)
            self._active[number] = self._overrun[number] = None
            request.leave()
            self._turns.ended(*use.end())

    def _begin(self, request: Request, now: float, worker: int) -> None:
        request.patience = self._patience
        request.due = now + self._patience
        request.worker = worker
        request.release = self._release

    def _release(self, request: Request) -> None:
        """Count it, and give its place to the next."""
        with self._lock:
            now = self._busy_until = time.perf_counter()
            self._count_until(now)
            if request.failed:
                self.failed += 1
            else:
                self.served += 1
            self._free_place()

    def _free_place(self) -> None:
        """With the lock held."""
        if self._waiting:
            self._give(self._waiting.popleft())
        else:
            self.in_flight -= 1

    def _give(self, request: Request) -> None:
        """To whichever worker takes it."""
        self._turns.put(request)
