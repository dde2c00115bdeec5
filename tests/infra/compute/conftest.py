"""A compute with its scorer and blob store on a temporary folder, and models for it."""

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
    Observation,
    Probe,
    ScoringRequest,
    ScoringResponse,
    UnitInput,
    UnitMiniBatch,
    UnitRequest,
    Workload,
    WorkloadKind,
    WorkloadState,
)
from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.local_compute import LocalCompute
from infra.compute.local.local_scorer import LocalScorer
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
    scorer: LocalScorer
    codes: list[str] = field(default_factory=list)

    async def code(self, script: str) -> BlobFolder:
        name = f"code/{len(self.codes)}"
        self.codes.append(name)
        await self.blobs.write("assets", f"{name}/score.py", textwrap.dedent(script).encode())
        return BlobFolder("assets", name)

    async def workload(
        self,
        script: str = ECHO,
        *,
        key: str = "online/iris/blue",
        kind: WorkloadKind = WorkloadKind.ONLINE,
        revision: str = "1",
        instances: int = 1,
        environment: EnvironmentSpec = BARE,
        readiness: Probe = QUICK,
        liveness: Probe = QUICK,
        memory: int = 4 * 2**30,
        variables: dict[str, str] | None = None,
        model: BlobFolder | None = None,
        output: BlobFolder | None = None,
        timeout: timedelta = timedelta(seconds=PATIENCE),
    ) -> Workload:
        return Workload(
            key=key,
            kind=kind,
            revision=revision,
            environment=environment,
            model=model,
            code=await self.code(script),
            scoring_script="score.py",
            environment_variables=variables or {},
            instance_count=instances,
            cpu=1,
            memory=memory,
            max_concurrent_requests=4,
            request_timeout=timeout,
            liveness=liveness,
            readiness=readiness,
            output=output,
        )

    async def batch(self, script: str, **more: Any) -> Workload:
        return await self.workload(script, key="batch/job1", kind=WorkloadKind.BATCH, **more)

    async def observe(self, key: str) -> Observation:
        observation = await self.compute.observe(key)
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

    async def serve(self, workload: Workload) -> Observation:
        await self.compute.ensure(workload)
        return await self.reach(workload.key, WorkloadState.READY, revision=workload.revision)

    async def score(self, key: str, body: Any = b"[1]", **more: Any) -> ScoringResponse:
        request = ScoringRequest("POST", "/score", "", [("content-type", "application/json")], body)
        return await self.scorer.score(
            self.compute.instances(key)[0], request, timeout=more.get("timeout", PATIENCE)
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
        await eventually(lambda: self.compute.remove(key, grace=timedelta(seconds=grace)))


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
    compute = LocalCompute(folder, blobs, outputs, uv=UV, **limits)
    scorer = LocalScorer(compute, lease_wait=lease_wait)
    await compute.start()
    try:
        yield House(folder, blobs, compute, scorer)
    finally:
        await scorer.close()
        await compute.close()
        await blobs.close()
