"""The attempts at units that a node has: waiting for a process, running, or ended and not yet
collected. They live here and with no host, so that any host may ask for them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from ..door.asking import Lost, ask
from ..processes.crew import Crew
from ..processes.worker import Worker
from .unit_run import Outcome, UnitRun, lost

MOST_BYTES = 64 << 20
_UNASKED = 600.0
_SWEEP = 30.0
_PREPARE_TIMEOUT = 5.0

WAITING, RUNNING, ENDED = "waiting", "running", "ended"


class Full(Exception):
    """As many attempts are under way as can be."""


class Attempt:
    """`most`: of its job at most so many run at a time; 0 for any number."""

    def __init__(self, id: str, job: str, most: int, unit: dict[str, Any]) -> None:
        self.id = id
        self.job = job
        self.most = most
        self.unit = unit
        self.state = WAITING
        self.outcome = ""
        """As JSON, once it has ended."""
        self.run: UnitRun | None = None
        self.prepared_on: Worker | None = None
        self.task: asyncio.Task[None] | None = None
        self.began = self.asked = asyncio.get_running_loop().time()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Is done once it has."""
        self._watchers: set[asyncio.Future[None]] = set()

    def change(self, state: str) -> None:
        self.state = state
        if state == ENDED and not self.ended.done():
            self.ended.set_result(None)
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)

    @staticmethod
    async def changed(attempts: Collection[Attempt], timeout: float) -> None:
        """Until the state of one of them is another, or so many seconds have passed."""
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for each in attempts:
            each._watchers.add(watcher)
        try:
            await asyncio.wait({watcher}, timeout=timeout)
        finally:
            for each in attempts:
                each._watchers.discard(watcher)

    @property
    def ordinal(self) -> int | None:
        """Of the mini-batch that runs."""
        return self.run.current if self.run is not None else None

    @property
    def is_remote(self) -> bool:
        """Whether its first inputs are to be fetched."""
        first = self.unit["mini_batches"][0]["inputs"]
        return any(
            not str(each["url"]).startswith("file:")
            and each.get("content") is None
            and not each.get("lent")
            for each in first
        )


class Attempts:
    """On the `workers` of `crew`, one unit each. At most `kept` are remembered, and `MOST_BYTES`
    of outcomes: past that, the oldest that has ended is forgotten."""

    def __init__(self, crew: Crew, workers: Sequence[Worker], kept: int) -> None:
        self.crew = crew
        self._workers = workers
        self._kept = kept
        self._all: dict[str, Attempt] = {}
        self._busy: dict[Worker, Attempt] = {}
        self._served: dict[str, int] = {}
        self._turns = itertools.count(1)
        self._helpers: set[asyncio.Task[None]] = set()
        self._closed = ""
        self._bytes = 0
        """Of the outcomes of `_all`."""
        self._counts = {False: 0, True: 0}
        self._busy_until = asyncio.get_running_loop().time()
        self._sweep()

    def get(self, id: str) -> Attempt | None:
        attempt = self._all.get(id)
        if attempt is not None:
            attempt.asked = asyncio.get_running_loop().time()
        return attempt

    @property
    def all(self) -> list[Attempt]:
        return list(self._all.values())

    def count(self, state: str) -> int:
        return sum(attempt.state == state for attempt in self._all.values())

    def load(self) -> dict[str, float]:
        """By the names that an inference server has for requests."""
        running, waiting = self.count(RUNNING), self.count(WAITING)
        idle = 0.0 if running or waiting else asyncio.get_running_loop().time() - self._busy_until
        return {
            "in_flight": running,
            "queued": waiting,
            "max_concurrent": len(self._workers),
            "max_queue": self._kept,
            "served": self._counts[False],
            "failed": self._counts[True],
            "overrun": 0,
            "average": running + waiting,
            "idle_seconds": round(idle, 3),
        }

    def begin(self, id: str, job: str, most: int, unit: dict[str, Any]) -> Attempt:
        """Again: the one that is there, whose signed URLs are those of `unit` from now on. Raises
        Full."""
        attempt = self.get(id)
        if attempt is None:
            self._make_room()
            attempt = self._all[id] = Attempt(id, job, most, unit)
            self.grant()
            if attempt.state == WAITING and attempt.is_remote:
                self._prepare(attempt)
        elif attempt.state != ENDED:
            self._renew(attempt, unit)
        return attempt

    def forget(self, id: str) -> None:
        """Nobody wants it any more, whatever its state."""
        attempt = self._all.get(id)
        if attempt is None:
            return
        self._drop(attempt)
        if attempt.task is not None:
            attempt.task.cancel()
        if attempt.state == WAITING:
            self._end(attempt, lost("The unit was given up."))

    def close(self, reason: str) -> None:
        """What waits never runs: that is its outcome, and of whatever comes."""
        self._closed = reason
        self.grant()

    def cancel(self) -> None:
        """Nothing runs any more."""
        for attempt in self._all.values():
            if attempt.task is not None:
                attempt.task.cancel()

    def grant(self) -> None:
        """Give idle processes to those who wait: of the jobs, the one that has fewest running
        comes next, and of equals the one served longest ago."""
        failure = self.crew.failure
        told = f"{failure.code}: {failure.reason}" if failure and not self.crew.ready else ""
        told = self._closed or told
        if told:
            for attempt in list(self._all.values()):
                if attempt.state == WAITING:
                    self._end(attempt, lost(told))
            return
        for worker in self._workers:
            if worker.ready and worker not in self._busy:
                following = self._next_for(worker)
                if following is None:
                    return
                self._start(worker, following)

    # -- inside

    def _next_for(self, worker: Worker) -> Attempt | None:
        running: dict[str, int] = {}
        for each in self._busy.values():
            running[each.job] = running.get(each.job, 0) + 1
        waiting: dict[str, list[Attempt]] = {}
        for each in self._all.values():
            if each.state == WAITING and not 0 < each.most <= running.get(each.job, 0):
                waiting.setdefault(each.job, []).append(each)
        if not waiting:
            return None
        job = min(waiting, key=lambda name: (running.get(name, 0), self._served.get(name, 0)))
        prepared = (each for each in waiting[job] if each.prepared_on is worker)
        return next(prepared, waiting[job][0])

    def _start(self, worker: Worker, attempt: Attempt) -> None:
        self._busy[worker] = attempt
        self._served[attempt.job] = next(self._turns)
        attempt.change(RUNNING)
        task = asyncio.create_task(self._run(worker, attempt), name=f"unit {attempt.id}")
        attempt.task = task
        task.add_done_callback(lambda _: self._free(worker, attempt))

    def _free(self, worker: Worker, attempt: Attempt) -> None:
        """One that was given up before its first step has come to no end of its own."""
        if self._busy.get(worker) is attempt:
            del self._busy[worker]
            self._end(attempt, lost("The unit was given up."))
            self.grant()

    async def _run(self, worker: Worker, attempt: Attempt) -> None:
        try:
            attempt.run = UnitRun(worker, attempt.unit)
            outcome = await attempt.run.outcome()
        except asyncio.CancelledError:
            outcome = lost("The unit was given up.")
        finally:
            attempt.run = None
            del self._busy[worker]
        self._end(attempt, outcome)
        self.grant()

    def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        attempt.outcome = json.dumps(outcome)
        attempt.unit = {}
        attempt.task = None
        attempt.change(ENDED)
        self._counts[outcome["lost"] is not None] += 1
        self._busy_until = asyncio.get_running_loop().time()
        if self._all.get(attempt.id) is not attempt:
            return
        self._bytes += len(attempt.outcome)
        while self._bytes > MOST_BYTES and (old := self._oldest_ended()) is not attempt:
            self._drop(old)

    def _oldest_ended(self) -> Attempt | None:
        return next((each for each in self._all.values() if each.state == ENDED), None)

    def _make_room(self) -> None:
        if len(self._all) < self._kept:
            return
        ended = self._oldest_ended()
        if ended is None:
            raise Full(f"{self._kept} units are under way on this node.")
        self._drop(ended)

    def _drop(self, attempt: Attempt | None) -> None:
        if attempt is not None and self._all.pop(attempt.id, None) is not None:
            self._bytes -= len(attempt.outcome)

    def _prepare(self, attempt: Attempt) -> None:
        """Have a busy process fetch the first inputs while it scores something else. It is
        only a help: the unit runs wherever a process comes free first."""
        taken = {each.prepared_on for each in self._all.values() if each.state == WAITING}
        worker = next((each for each in self._busy if each not in taken), None)
        if worker is None or worker.way is None:
            return
        attempt.prepared_on = worker
        self._tell(worker, "/prepare", attempt)

    def _renew(self, attempt: Attempt, unit: dict[str, Any]) -> None:
        """What a unit is lent is good for an hour, and it may take longer."""
        attempt.unit = unit
        worker = next((each for each, busy in self._busy.items() if busy is attempt), None)
        if worker is not None:
            self._tell(worker, "/renew", attempt)

    def _tell(self, worker: Worker, path: str, attempt: Attempt) -> None:
        if worker.way is None:
            return
        body = json.dumps(attempt.unit).encode()
        asked = ask(worker.way, "POST", path, body, timeout=_PREPARE_TIMEOUT)

        async def tell() -> None:
            with contextlib.suppress(Lost):
                await asked

        task = asyncio.create_task(tell())
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        for attempt in list(self._stale(loop.time() - _UNASKED)):
            self.forget(attempt.id)
        jobs = {each.job for each in self._all.values()}
        self._served = {job: turn for job, turn in self._served.items() if job in jobs}
        loop.call_later(_SWEEP, self._sweep)

    def _stale(self, before: float) -> Iterator[Attempt]:
        return (e for e in self._all.values() if e.state == WAITING and e.asked < before)
