"""A batch stage whose scripts take no time, so that its units are bundled, and ports that can be
watched and disturbed at any of their calls."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from domain.ground.messages import MINI_BATCHES_QUEUE, ScoreUnit
from domain.jobs.batch_jobs import JobView
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_times import JobTimes
from domain.ports import UnitMiniBatch, UnitRequest
from infra.rules.queue_consumer import Received
from tests.kit.script_workers import QUICK, Rows, Script, line_counts
from tests.kit.stages.batch_stage import BatchStage

FILES = {f"{i:03d}.txt": f"{i}\n" for i in range(90)}
HEADER = "input_file,input_row,line,length"
UNHURRIED = JobTimes(bundle_limit=3600, wait_limit=7200)
"""However busy the machine is, no bundle is taken apart for it."""

Hook = Callable[..., Awaitable[None]]


class Around:
    """A port, with something done before and after its calls: `before(name, *arguments)`."""

    def __init__(self, port: Any, before: Hook | None = None, after: Hook | None = None):
        self._port = port
        self._before = before
        self._after = after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self._before is not None:
                await self._before(name, *args)
            answer = await found(*args, **kwargs)
            if self._after is not None:
                await self._after(name, *args)
            return answer

        return call


class BundleStage(BatchStage):
    """One worker, files of one line each, a mini-batch each. `bundles` are those that were
    delivered."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, **{"seconds": QUICK, "times": UNHURRIED, **options})
        self.bundles: list[range] = []
        self.holds = math.inf
        """A first bundle of so many units is taken from the queue, and not delivered."""
        self.held: ScoreUnit | None = None

    async def deliver(self, message: Received) -> None:
        if message.queue == MINI_BATCHES_QUEUE:
            asked = ScoreUnit.from_document(json.loads(message.body))
            if self.held is None and asked.count >= self.holds:
                self.held = asked
                await self.queue.complete(message.lock_token)
                return
            if asked.count > 1:
                self.bundles.append(asked.units)
        await super().deliver(message)

    def is_bundled(self, unit: int) -> bool:
        return any(unit in bundle for bundle in self.bundles)

    async def start(self, files: Mapping[str, str] = FILES, **settings: Any) -> str:
        """A job over `files`, invoked."""
        await self.deploy(mini_batch_size=1, **settings)
        await self.upload(files)
        return await self.invoke(name="job")

    async def run(self, files: Mapping[str, str] = FILES, **settings: Any) -> JobView:
        """The end of a job over `files`."""
        name = await self.start(files, **settings)
        await self.pump()
        return await self.view(name)

    async def unit(self, ordinal: int) -> Unit:
        found = (await self.units("job"))[ordinal]
        return Unit.from_document(found.body["unit"])

    async def all_units(self) -> list[Unit]:
        return [Unit.from_document(found.body["unit"]) for found in await self.units("job")]

    def manifest(self, view: JobView) -> list[dict[str, Any]]:
        text = self.output(view, view.job.output.failures_path)
        return [json.loads(line) for line in text.splitlines()]


def output_without(*missing: int, files: Mapping[str, str] = FILES) -> bytes:
    """The output of a job over `files` of which those of number `missing` have no rows."""
    names = [name for number, name in enumerate(sorted(files)) if number not in missing]
    rows = (f"{name},0,{files[name].strip()},{len(files[name].strip())}" for name in names)
    return "\n".join([HEADER, *rows, ""]).encode()


def held_time(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> list[float]:
    """What `modules` tell durations by: it stands until it is moved."""
    at = [0.0]
    for module in modules:
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: at[0]))
    return at


def doing(what: Callable[[str], None]) -> Script:
    """A script that does `what` with the name of each file, and then its work."""

    def run(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
        for name in files:
            what(name)
        return line_counts(request, mini_batch, files)

    return run
