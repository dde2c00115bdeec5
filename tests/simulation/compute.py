"""Where models run in a simulation: Workers, Serving and Scorer in one, whose workers run a Python
function on the blobs in memory, take their time, and die when the seed says so."""

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from domain.ports import (
    Instance,
    InstanceLost,
    LogKind,
    MiniBatchResult,
    ScoringRequest,
    ScoringResponse,
    ServingObservation,
    ServingWorkload,
    UnitMiniBatch,
    UnitOutcome,
    UnitRequest,
    WorkersWorkload,
    WorkloadState,
)
from runtime.batch.rows import Form
from runtime.batch.sinks import sink_of
from tests.kit.script_workers import Rows, Script, rendered
from tests.simulation.faults import Faults
from tests.simulation.schedule import Schedule
from tests.simulation.stores.memory_blob_store import MemoryBlobStore


class Around(Protocol):
    """What a compute needs of the world."""

    loop: Any
    rng: random.Random
    faults: Faults
    schedule: Schedule
    blobs: MemoryBlobStore

    def expect(self, seconds: float) -> None:
        """Something takes so long by itself."""


@dataclass(frozen=True)
class Manner:
    """How workers behave, in a simulation: how often one dies at a mini-batch or of itself, and
    what runs take, in seconds. `deaths` and `slow` end with the faults."""

    script: Script
    deaths: float = 0.0
    own_deaths: float = 0.0
    slow: float = 0.0
    quick: bool = False


@dataclass
class Wanted:
    """A workload under its key, and when it is ready."""

    workload: Any
    ready_at: float
    running: int = 0
    waiting: "deque[Callable[[], None]]" = field(default_factory=deque)


@dataclass
class Attempt:
    key: str
    ended: "asyncio.Future[UnitOutcome]"


class SimulatedCompute:
    """`owner` is the host that it belongs to, and that its attempts end with; None: it is shared,
    and outlives all."""

    def __init__(self, around: Around, owner: str | None, manner: Manner) -> None:
        self._around = around
        self._owner = owner
        self._manner = manner
        self.wanted: dict[str, Wanted] = {}
        self._attempts: dict[str, Attempt] = {}
        self.begun: dict[str, int] = {}
        """How often each attempt was begun."""

    def host_ended(self, host: str) -> None:
        if self._owner == host:
            self.wanted.clear()
            self._attempts.clear()

    # -- workloads ----------------------------------------------------------------------

    async def ensure(self, workload: WorkersWorkload | ServingWorkload) -> ServingObservation:
        wanted = self.wanted.get(workload.key)
        if wanted is None or wanted.workload.revision != workload.revision:
            takes = self._around.rng.choice((0.0, 0.2, 2.0, 8.0))
            ready_at = self._around.loop.time() + takes
            running, waiting = (wanted.running, wanted.waiting) if wanted else (0, deque())
            wanted = Wanted(workload, ready_at, running, waiting)
            self.wanted[workload.key] = wanted
        wanted.workload = workload
        return self._seen(wanted)

    async def observe(self, key: str) -> ServingObservation | None:
        wanted = self.wanted.get(key)
        return self._seen(wanted) if wanted else None

    def _seen(self, wanted: Wanted) -> ServingObservation:
        workload = wanted.workload
        is_serving = isinstance(workload, ServingWorkload)
        count = workload.instance_count if is_serving else workload.worker_count
        is_ready = self._around.loop.time() >= wanted.ready_at
        state = WorkloadState.READY if is_ready else WorkloadState.STARTING
        ready = count if is_ready else 0
        return ServingObservation(workload.revision, state, ready, count, serving=ready > 0)

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        if key not in self.wanted:
            return True
        del self.wanted[key]
        for attempt in self._attempts.values():
            if attempt.key == key and not attempt.ended.done():
                attempt.ended.set_result(UnitOutcome((), lost="its workers were taken away"))
        return self._around.rng.random() < 0.7

    async def keys(self) -> Sequence[str]:
        return sorted(self.wanted)

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        return "init\n" if key in self.wanted else ""

    # -- units --------------------------------------------------------------------------

    @property
    def holder(self) -> str | None:
        return self._owner

    async def begin_units(self, key: str, requests: Sequence[UnitRequest]) -> None:
        """They begin when they are asked for."""

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        attempt = self._attempts.get(request.attempt_id)
        if attempt is None:
            if key not in self.wanted:
                return UnitOutcome((), lost="there are no workers for this job")
            attempt = Attempt(key, self._around.loop.create_future())
            self._attempts[request.attempt_id] = attempt
            self._begin(attempt, request)
        if not attempt.ended.done():
            await asyncio.wait([attempt.ended], timeout=wait)
        if not attempt.ended.done():
            return None
        self._attempts.pop(request.attempt_id, None)
        return attempt.ended.result()

    def _begin(self, attempt: Attempt, request: UnitRequest) -> None:
        wanted = self.wanted[attempt.key]
        if wanted.running >= max(1, wanted.workload.worker_count):
            wanted.waiting.append(lambda: self._start(wanted, attempt, request))
        else:
            self._start(wanted, attempt, request)

    def _start(self, wanted: Wanted, attempt: Attempt, request: UnitRequest) -> None:
        rng, manner = self._around.rng, self._manner
        wanted.running += 1
        self.begun[request.attempt_id] = self.begun.get(request.attempt_id, 0) + 1
        takes = 0.0 if manner.quick else rng.choice((0.01, 0.1, 1.0))
        if self._around.faults.strikes(manner.slow):
            takes = rng.choice((60.0, 250.0, 400.0))
            self._around.expect(takes)
            self._around.schedule.add("attempt", request.attempt_id, f"takes {takes:g} s")
        self._around.loop.call_later(takes, self._ran, wanted, attempt, request)

    def _ran(self, wanted: Wanted, attempt: Attempt, request: UnitRequest) -> None:
        wanted.running -= 1
        if wanted.waiting:
            wanted.waiting.popleft()()
        is_gone = self._attempts.get(request.attempt_id) is not attempt
        if is_gone or attempt.ended.done():
            return
        attempt.ended.set_result(self._outcome(request))

    def _outcome(self, request: UnitRequest) -> UnitOutcome:
        results: list[MiniBatchResult] = []
        sink = sink_of(Form(request.output_format))
        for mini_batch in request.mini_batches:
            if self._dies(request, mini_batch):
                at = mini_batch.ordinal
                return UnitOutcome(tuple(results), lost="the worker died", lost_ordinal=at)
            gave, error = self._run(request, mini_batch)
            length = sink.take(rendered(gave, request.output_format)) if gave else 0
            count = len(gave.rows) if gave else 0
            seconds = 0.0 if self._manner.quick else 0.1
            tries = 1 if gave else mini_batch.tries
            result = MiniBatchResult(
                mini_batch.ordinal, gave is not None, count, tries, seconds, error, None, length
            )
            results.append(result)
        content = bytes(sink.content())
        if self._around.faults.strikes(self._manner.own_deaths):
            self._around.schedule.add("the worker of", request.attempt_id, "dies of itself")
            return UnitOutcome(tuple(results), lost="the worker died", lost_ordinal=None)
        if not content or request.block_url is None:
            return UnitOutcome(tuple(results), rows=sink.rows, columns=sink.columns)
        self._around.blobs.staged(request.block_url, content)
        digest = hashlib.sha256(content).hexdigest()
        return UnitOutcome(
            tuple(results), sink.rows, len(content), digest, sink.columns, types=sink.types
        )

    def _dies(self, request: UnitRequest, mini_batch: UnitMiniBatch) -> bool:
        if not self._around.faults.strikes(self._manner.deaths):
            return False
        self._around.schedule.add(
            "the worker of", request.attempt_id, "dies at mini-batch", mini_batch.ordinal
        )
        return True

    def _run(
        self, request: UnitRequest, mini_batch: UnitMiniBatch
    ) -> tuple[Rows | None, str | None]:
        files: dict[str, bytes] = {}
        for each in mini_batch.inputs:
            blob = self._around.blobs.lent(each.url)
            if blob is None or (each.etag and blob.properties.etag != each.etag):
                return None, f"The input '{each.name}' was changed or removed."
            files[each.name] = blob.content
        try:
            return self._manner.script(request, mini_batch, files), None
        except ValueError as error:
            return None, f"ValueError: {error}"

    # -- scoring ------------------------------------------------------------------------

    def instances(self, key: str) -> Sequence[Instance]:
        wanted = self.wanted.get(key)
        if wanted is None or not self._seen(wanted).ready:
            return ()
        return [Instance(f"{key}/{n}", key) for n in range(self._seen(wanted).ready)]

    async def refresh(self, keys: Sequence[str]) -> None: ...

    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        if instance.address not in self.wanted:
            raise InstanceLost("it is gone", sent=False)
        headers: Mapping[str, str] = {"content-type": "application/json"}
        return ScoringResponse(200, list(headers.items()), b"[1]")
