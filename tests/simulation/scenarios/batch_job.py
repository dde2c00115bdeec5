"""A batch job over a few files: invoked, now and then canceled, retried or deleted."""

import contextlib
import csv
import io
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from domain.application import Application
from domain.errors import Conflict, NotFound
from domain.ground.access import trusted
from domain.jobs.invoking.job_invocation import JobExists
from domain.jobs.records import batch_job, batch_unit
from domain.jobs.records.job_request import JobProperties
from domain.jobs.records.job_times import JobTimes
from domain.ports import UnitMiniBatch, UnitRequest
from tests.kit.script_workers import Rows
from tests.kit.stages.batch_stage import over
from tests.simulation.compute import Manner
from tests.simulation.ground import ENDPOINT, ROWS, STORE, SUMMARY
from tests.simulation.invariants import Broken
from tests.simulation.world import World

_BAD = b"bad"
_LONG = 7200.0
_KINDS = (batch_job.KIND, batch_job.PROGRESS_KIND, batch_unit.KIND)


class BatchJob:
    settings: dict[str, Any] = {}

    def __init__(self, rng: random.Random) -> None:
        self._files = {f"{n:02d}.txt": _content(rng, n) for n in range(rng.randrange(1, 10))}
        self._turned = rng.random() < 0.2
        self._deployment = SUMMARY if rng.random() < 0.15 else ROWS
        self._format = rng.choice(("Csv", "Csv", "Csv", "Jsonl"))
        self._size = rng.randrange(1, 4)
        self._asked: dict[str, Any] = {
            "mini_batch_size": self._size,
            "max_concurrency_per_instance": rng.randrange(1, 4),
            "error_threshold": rng.choice((-1, -1, -1, 0, 2)),
            "retry_settings": {"max_retries": rng.choice((0, 3))},
        }
        self._runs = 0
        quick = rng.random() < 0.35
        self.manner = Manner(
            self._script,
            deaths=rng.choice((0.0, 0.0, 0.1)),
            own_deaths=rng.choice((0.0, 0.0, 0.1)),
            slow=rng.choice((0.0, 0.0, 0.05)),
            quick=quick,
        )
        most_units = rng.choice((40_000, 40_000, 2))
        self.times = replace(JobTimes(), bundle_parts=1, most_units=most_units)
        self._cancels_at = rng.uniform(0, 12) if rng.random() < 0.2 else None
        self._retries = rng.random() < 0.3
        self._deletes = rng.random() < 0.15

    def _script(
        self, request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        if _BAD in files.values():
            raise ValueError("a file is bad")
        # No two runs give the same: a block of another attempt is known by that.
        self._runs += 1
        run = f"{request.attempt_id} {self._runs}"
        rows = [
            [name, line, run]
            for name, content in files.items()
            for line in content.decode().splitlines()
        ]
        columns = ("input_file", "line", "run")
        if self._turned and request.mini_batches[0].ordinal % 2:
            return Rows(columns[::-1], [row[::-1] for row in rows])
        return Rows(columns, rows)

    # -- what is done -------------------------------------------------------------------

    async def play(self, world: World) -> None:
        for name, content in self._files.items():
            await world.blobs.write(STORE, f"data/{name}", content)
        await self._invoked(world, over("data", name="first", **self._properties()))
        if self._cancels_at is not None:
            await world.rest(self._cancels_at)
            await self._cancel(world, "first")
        await self._ended(world, "first")
        jobs = ["first"]
        if self._retries and _job(world, "first")["plan"] is not None:
            asked = JobProperties.model_validate({"retry_of": "first", "name": "second"})
            try:
                await self._invoked(world, asked)
                await self._ended(world, "second")
                jobs.append("second")
            except Conflict:
                world.schedule.add("there is nothing to retry")
        for name in jobs:
            self._look(world, name)
        await world.until("no workers are left", lambda: not _workers(world), _LONG)
        if any(row.kind == "outputReservation" for row in world.store.rows()):
            raise Broken("an output is reserved, and no job goes on")
        if self._deletes:
            await self._delete(world, jobs[-1])

    def _properties(self) -> dict[str, Any]:
        more = {} if self._deployment == SUMMARY else {"output_format": self._format}
        return {**self._asked, **more}

    async def _invoked(self, world: World, asked: JobProperties) -> None:
        name = asked.name

        async def invoke(app: Application) -> object:
            return await app.jobs.invocation.invoke(
                ENDPOINT, asked, caller=trusted("me"), key=name, deployment=self._deployment
            )

        try:
            await world.ask(f"invoke {name}", invoke)
        except JobExists as refusal:
            raise Broken("a request that came again was refused") from refusal

    async def _cancel(self, world: World, name: str) -> None:
        try:
            await world.ask(f"cancel {name}", lambda app: app.jobs.collection.cancel(name))
        except Conflict:
            world.schedule.add("it is too late for that")

    async def _delete(self, world: World, name: str) -> None:
        with contextlib.suppress(Conflict, NotFound):
            await world.ask(f"delete {name}", lambda app: app.jobs.collection.delete(name))

        def is_gone() -> bool:
            return not any(
                row.kind in _KINDS for row in world.store.rows(batch_job.partition(name))
            )

        await world.until("it is gone", is_gone, _LONG)

    async def _ended(self, world: World, name: str) -> None:
        await world.until(f"job {name} has ended", lambda: _has_ended(world, name), _LONG)
        await world.until("nothing is left to do", lambda: world.is_idle, _LONG)

    # -- what must have come of it ------------------------------------------------------

    def _look(self, world: World, name: str) -> None:
        job = _job(world, name)
        world.schedule.add("job", name, "is", job["status"])
        output = (job["retry"] or {}).get("results") or job["output"]
        if self._deployment == SUMMARY:
            return
        place = f"{output['folder']}/{output['file_name']}"
        rows = _rows(world.blobs.content(output["container"], place), job)
        failed = self._failed(world, output, place)
        found = list(dict.fromkeys(row["input_file"] for row in rows))
        if found != sorted(found):
            raise Broken(f"rows are not in input order: {found}")
        for file in found:
            if file not in self._files:
                raise Broken(f"there are rows of a file {file!r}")
            lines = [row["line"] for row in rows if row["input_file"] == file]
            if lines != self._files[file].decode().splitlines():
                raise Broken(f"of {file} there are the rows {lines}")
        if both := set(found) & set(failed):
            raise Broken(f"{both} have rows and stand in the manifest")
        if len(failed) != len(set(failed)):
            raise Broken(f"the manifest names files twice: {failed}")
        if job["status"] == "Completed":
            missing = set(self._files) - set(found) - set(failed)
            if missing:
                raise Broken(f"{missing} have neither rows nor a place in the manifest")
        elif job["status"] == "Failed" and job["error"]["code"] not in _MAY_FAIL:
            raise Broken(f"job {name} failed: {job['error']}")
        if not self.manner.deaths and not self.manner.own_deaths:
            self._check_failures(failed, completed=job["status"] == "Completed")

    def _failed(self, world: World, output: Mapping[str, str], place: str) -> list[str]:
        own = output["is_own_folder"]
        path = f"{output['folder']}/failed_files.jsonl" if own else f"{place}.failed_files.jsonl"
        manifest = world.blobs.content(output["container"], path) or b""
        return [json.loads(line)["file"] for line in manifest.splitlines()]

    def _check_failures(self, failed: list[str], *, completed: bool) -> None:
        """Only bad files may fail; where no mini-batch succeeded, those that stood with them."""
        good = [name for name in failed if self._files[name] != _BAD]
        if completed and good:
            raise Broken(f"{good} failed, and are not bad")
        names = sorted(self._files)
        for start in range(0, len(names), self._size):
            some = names[start : start + self._size]
            if not any(self._files[name] == _BAD for name in some) and set(some) & set(failed):
                raise Broken(f"{some} failed for no reason")


_MAY_FAIL = ("ErrorThresholdExceeded", "NoSucceededMiniBatch")


def _content(rng: random.Random, number: int) -> bytes:
    if rng.random() < 0.12:
        return _BAD
    return "".join(f"{number} {line}\n" for line in range(rng.randrange(1, 4))).encode()


def _job(world: World, name: str) -> Any:
    rows = world.store.rows(batch_job.partition(name))
    [row] = [row for row in rows if row.id == batch_job.DOCUMENT_ID]
    return json.loads(row.body)["job"]


def _workers(world: World) -> list[str]:
    """Of jobs, wherever they are."""
    return [key for host in world.hosts for key in host.compute.wanted if key.startswith("batch/")]


def _has_ended(world: World, name: str) -> bool:
    job = _job(world, name)
    return job["status"] in ("Completed", "Failed", "Canceled") and job["released"]


def _rows(content: bytes | None, job: Mapping[str, Any]) -> list[dict[str, str]]:
    text = (content or b"").decode()
    if job["settings"]["output_format"] == "Jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text)))
