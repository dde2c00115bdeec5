"""A compute with its blob store on a temporary folder, and models for it."""

import contextlib
import shutil
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.ports import (
    BlobFolder,
    EnvironmentSpec,
    Instance,
    InstanceSize,
    Observation,
    Probe,
    Program,
    ScoringRequest,
    ScoringResponse,
    ServingObservation,
    ServingWorkload,
    UnitInput,
    UnitMiniBatch,
    UnitRequest,
    WorkersWorkload,
    WorkloadState,
)
from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.local_compute import LocalCompute
from infra.compute.local.serving.local_serving import LocalServing
from infra.compute.local.workers.local_workers import LocalWorkers
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.kit.waiting import PATIENCE, eventually

UV = str(Path(sys.executable).with_name("uv")) if shutil.which("uv") is None else "uv"
BARE = EnvironmentSpec("3.11", ())
QUICK = Probe(initial_delay=0.0, period=0.2, timeout=PATIENCE, failure_threshold=10_000)
"""Soon ready where the machine is quick, and however slow it is never given up."""

ECHO = """
def init():
    print("the model is loaded")

def run(data):
    return {"echo": data}
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}


@dataclass
class House:
    """Everything under one data folder."""

    data: Path
    blobs: FileBlobStore
    compute: LocalCompute
    codes: list[str] = field(default_factory=list)

    async def code(self, script: str) -> BlobFolder:
        name = f"code/{len(self.codes)}"
        self.codes.append(name)
        await self.blobs.write("assets", f"{name}/score.py", textwrap.dedent(script).encode())
        return BlobFolder("assets", name)

    async def program(
        self,
        script: str,
        *,
        environment: EnvironmentSpec = BARE,
        memory: int = 4 * 2**30,
        variables: dict[str, str] | None = None,
        model: BlobFolder | None = None,
    ) -> Program:
        return Program(
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

    @property
    def serving(self) -> LocalServing:
        return self.compute.serving

    @property
    def workers(self) -> LocalWorkers:
        return self.compute.workers

    def ready_workers(self, key: str) -> list[Instance]:
        """Those of a job's pool."""
        pool = self.workers.pools.pool(key)
        return [each.instance for each in pool.fleet.ready] if pool else []

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

        return await eventually(there, f"{key} is {state}")

    async def serve(self, workload: ServingWorkload) -> ServingObservation:
        await self.serving.ensure(workload)
        await self.reach(workload.key, WorkloadState.READY, revision=workload.revision)
        seen = await self.serving.observe(workload.key)
        assert seen is not None
        return seen

    async def begin(self, workload: WorkersWorkload) -> Observation:
        await self.workers.ensure(workload)
        return await self.reach(workload.key, WorkloadState.READY)

    async def score(self, key: str, body: Any = b"[1]", **more: Any) -> ScoringResponse:
        request = ScoringRequest("POST", "/score", "", [("content-type", "application/json")], body)
        return await self.compute.scorer.score(
            self.serving.instances(key)[0], request, timeout=more.get("timeout", PATIENCE)
        )

    async def unit(
        self, attempt: str, inputs: list[list[str]], *, timeout: float = PATIENCE, tries: int = 1
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
        block = await self.blobs.lend_block("out", "predictions.csv", attempt.zfill(32))
        return UnitRequest(attempt, tuple(batches), timedelta(seconds=timeout), "csv", block)

    async def end(self, key: str, grace: float = 0.0) -> None:
        of = self.serving if key.startswith("online/") else self.workers
        await eventually(lambda: of.remove(key, grace=timedelta(seconds=grace)))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as house:
        yield house


@contextlib.asynccontextmanager
async def opened(
    folder: Path, *, lease_wait: float = PATIENCE, **limits: Any
) -> AsyncIterator[House]:
    """A house in `folder` with a compute of these limits."""
    blobs = FileBlobStore(folder, base_url="http://localhost", key=b"k" * 32)

    outputs = OutputsInPlace(folder / "blobs")
    compute = LocalCompute(folder, blobs, outputs, uv=UV, lease_wait=lease_wait, **limits)
    await compute.start()
    try:
        yield House(folder, blobs, compute)
    finally:
        await compute.close()
        await blobs.close()
