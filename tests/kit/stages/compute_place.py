"""A compute, whichever, with the blob store beside it, and models for it."""

import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.ports import (
    BlobFolder,
    BlobStore,
    Capabilities,
    EnvironmentSpec,
    Instance,
    InstanceSize,
    LogKind,
    Observation,
    Probe,
    Program,
    Scorer,
    ScoringRequest,
    ScoringResponse,
    SealedFolder,
    Serving,
    ServingObservation,
    ServingWorkload,
    UnitInput,
    UnitMiniBatch,
    UnitOutcome,
    UnitRequest,
    Workers,
    WorkersWorkload,
    WorkloadState,
)
from tests.kit.stages.sealing import sealed
from tests.kit.waiting import PATIENCE, eventually

BARE = EnvironmentSpec("3.11", ())
QUICK = Probe(initial_delay=0.0, period=0.2, timeout=PATIENCE, failure_threshold=10_000)
"""Soon ready where the machine is quick, and however slow it is never given up."""

ECHO = """
def init():
    print("the model is loaded")

def run(data):
    return {"echo": data}
"""


@dataclass(frozen=True)
class Gate:
    """What a script may wait for: `is_open` is a condition in Python, where the script runs."""

    file: Path

    @property
    def is_open(self) -> str:
        return f"__import__('os').path.exists({str(self.file)!r})"

    def open(self) -> None:
        self.file.touch()


@dataclass
class Place:
    """`gates` is a folder that scripts see too. Deployments and jobs have keys of their own."""

    blobs: BlobStore
    capabilities: Capabilities
    serving: Serving
    scorer: Scorer
    workers: Workers
    gates: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    # -- what is wanted

    def gate(self) -> Gate:
        return Gate(self.gates / f"gate-{next(self.numbers)}")

    async def code(self, script: str) -> SealedFolder:
        name = f"code/{next(self.numbers)}"
        await self.blobs.write("assets", f"{name}/score.py", textwrap.dedent(script).encode())
        return await sealed(self.blobs, "assets", name)

    async def program(
        self,
        script: str,
        *,
        environment: EnvironmentSpec = BARE,
        memory: int = 4 * 2**30,
        variables: dict[str, str] | None = None,
        model: SealedFolder | None = None,
        closed: bool = False,
    ) -> Program:
        return Program(
            closed=closed,
            environment=environment,
            model=model,
            code=await self.code(script),
            scoring_script="score.py",
            environment_variables=variables or {},
            size=InstanceSize(1, memory),
        )

    async def workload(
        self,
        script: str = ECHO,
        *,
        key: str = "online/iris/blue",
        revision: str = "1",
        instances: int = 1,
        readiness: Probe = QUICK,
        liveness: Probe = QUICK,
        timeout: timedelta = timedelta(seconds=PATIENCE),
        **program: Any,
    ) -> ServingWorkload:
        return ServingWorkload(
            key=key,
            revision=revision,
            program=await self.program(script, **program),
            instance_count=instances,
            max_concurrent_requests=4,
            request_timeout=timeout,
            liveness=liveness,
            readiness=readiness,
        )

    async def deployment(self, script: str = ECHO, **more: Any) -> ServingWorkload:
        """With a key of its own."""
        return await self.workload(script, key=f"online/iris/d{next(self.numbers)}", **more)

    async def batch(
        self,
        script: str,
        *,
        key: str = "batch/job1",
        workers: int = 1,
        output: BlobFolder | None = None,
        **program: Any,
    ) -> WorkersWorkload:
        return WorkersWorkload(
            key=key,
            revision="1",
            program=await self.program(script, **program),
            worker_count=workers,
            output=output,
        )

    async def job(self, script: str, **more: Any) -> WorkersWorkload:
        """With a key of its own."""
        return await self.batch(script, key=f"batch/job{next(self.numbers)}", **more)

    # -- how far it is

    async def observe(self, key: str) -> Observation:
        of = self.serving if key.startswith("online/") else self.workers
        observation = await of.observe(key)
        assert observation is not None
        return observation

    async def reach(
        self, key: str, state: WorkloadState, *, revision: str | None = None
    ) -> Observation:
        async def there() -> Observation | None:
            seen = await self.observe(key)
            right = revision is None or seen.revision == revision
            if seen.state is WorkloadState.FAILED and state is not WorkloadState.FAILED:
                pytest.fail(str(seen.reason))
            return seen if seen.state is state and right else None

        found: Observation = await eventually(there, f"{key} is {state}")
        if key.startswith("online/"):
            await self.serving.refresh([key])  # what was read of its instances may be older
        return found

    async def log(self, key: str, kind: LogKind, said: str) -> str:
        """The end of it, once that is in it: what is printed is read a moment later."""
        of = self.serving if key.startswith("online/") else self.workers

        async def told() -> str | None:
            log = await of.logs(key, kind, tail=100)
            return log if said in log else None

        found: str = await eventually(told, f"{said} in the log of {key}")
        return found

    async def serve(self, workload: ServingWorkload) -> ServingObservation:
        await self.serving.ensure(workload)
        seen = await self.reach(workload.key, WorkloadState.READY, revision=workload.revision)
        assert isinstance(seen, ServingObservation)
        return seen

    async def begin(self, workload: WorkersWorkload) -> Observation:
        await self.workers.ensure(workload)
        return await self.reach(workload.key, WorkloadState.READY)

    async def end(self, key: str, grace: float = 0.0) -> None:
        of = self.serving if key.startswith("online/") else self.workers
        await eventually(lambda: of.remove(key, grace=timedelta(seconds=grace)))

    # -- what it is asked

    async def score(
        self, key: str, body: Any = b"[1]", *, timeout: float = PATIENCE
    ) -> ScoringResponse:
        [instance, *_] = self.serving.instances(key)
        return await self.ask(instance, body, timeout=timeout)

    async def ask(
        self, instance: Instance, body: Any = b"[1]", *, timeout: float = PATIENCE
    ) -> ScoringResponse:
        request = ScoringRequest("POST", "/score", "", [("content-type", "application/json")], body)
        return await self.scorer.score(instance, request, timeout=timeout)

    async def unit(
        self,
        attempt: str,
        inputs: list[list[str]],
        *,
        timeout: float = PATIENCE,
        tries: int = 1,
    ) -> UnitRequest:
        """A unit whose mini-batches hold files of these contents."""
        batches = []
        for ordinal, contents in enumerate(inputs):
            files = []
            for number, content in enumerate(contents):
                name = f"in/{attempt}-{ordinal}-{number}.txt"
                await self.blobs.write("inbox", name, content.encode())
                [url] = await self.blobs.lend([("inbox", name)])
                assert url is not None
                files.append(UnitInput(name, url))
            batches.append(UnitMiniBatch(ordinal, tuple(files), tries))
        block = await self.blobs.lend_block("out", f"{attempt}.csv", attempt.zfill(32))
        return UnitRequest(attempt, tuple(batches), timedelta(seconds=timeout), "csv", block)

    async def rows(self, request: UnitRequest) -> bytes:
        """The block that the unit's attempt has written."""
        name, block = f"{request.attempt_id}.csv", request.attempt_id.zfill(32)
        await self.blobs.commit_blocks("out", name, [block])
        return b"".join([piece async for piece in self.blobs.read("out", name)])

    async def attempt(self, inputs: list[list[str]], **more: Any) -> UnitRequest:
        """A unit with an attempt of its own."""
        return await self.unit(f"a{next(self.numbers)}", inputs, **more)

    async def outcome(self, key: str, request: UnitRequest) -> UnitOutcome:
        """What becomes of a unit, however often it has to be asked for."""
        while True:
            outcome = await self.workers.run_unit(key, request, wait=PATIENCE)
            if outcome is not None:
                return outcome
