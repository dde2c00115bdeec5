"""A batch job whose host and workers are killed at seeded moments, over stores that fail and a
queue that doubles and delays, against the same job left in peace.

One host, on one data folder, serves run after run. A run invokes an endpoint over HTTP or drops
files into the inbox; its seed decides which, whether the script takes 30 ms a mini-batch or so
little that units come in bundles, what is killed (SIGKILL) and when, or struck as its fleet is (a
container is killed, paused, cut off; the engine is restarted), which mini-batches hang past
their time limit, and which faults come (see mischief.py). At the end its output and its manifest
of failed files must be those of the undisturbed job, byte for byte, its counts exact, and no
worker may have outlived its host.
"""

import contextlib
import json
import random
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from examples.client import CallFailed
from tests.chaos import mischief
from tests.chaos.trials import CODE, QUICK, SLOW, Trial, file_name
from tests.fleets.fleet import Fleet
from tests.kit.waiting import as_it_moves, until

STORE = "workspaceblobstore"
RETRIES = 8
"""Enough for every time that a worker is killed, or hangs, on one mini-batch."""
TIME_LIMIT = 5.0
"""Seconds: for mini-batches that take none, or for ever."""


STUCK = 600.0
"""Seconds in which nothing has moved: a busy engine takes minutes for a container."""


class Ordeal(AssertionError):
    """Something that must hold does not."""


@dataclass(frozen=True)
class Expected:
    """What the undisturbed job made, and how long it took in seconds."""

    output: bytes
    manifest: bytes
    duration: float
    bundled: int
    """Units that were in bundles."""


@dataclass(frozen=True)
class Run:
    seed: int
    kind: str
    done: tuple[str, ...]
    bundled: int
    seconds: float


class Arena:
    """A host with an endpoint for each trial, to be killed. Use as a context manager."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        self._data = folder / "data"
        self._fleet = fleet
        self._host = fleet.host(
            self._data,
            "--port",
            "0",
            environment={
                "ML_ENDPOINTS_SWEEP_SCHEDULE": "*/2 * * * * *",
                "ML_ENDPOINTS_DROP_QUIET_PERIOD": "0.5",
            },
            module="tests.chaos.mischief",
        )
        self._stalls = self._host.meeting / "stalls"
        self._mischief = self._data / mischief.FILE
        self._runs = 0

    def __enter__(self) -> "Arena":
        self._host.start()
        try:
            self._prepare()
        except BaseException:  # interrupted too: `__exit__` will not come
            self._host.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._host.close()
        self._fleet.clear(self._host)

    def _prepare(self) -> None:
        blobs = self._data / "blobs" / STORE
        self._stalls.mkdir()
        self._stalls.chmod(0o777)
        (blobs / "code").mkdir(parents=True)
        (blobs / "code" / "score.py").write_text(CODE)
        workspace = self._host.workspace
        paths = f"azureml://datastores/{STORE}/paths"
        workspace.call(
            "PUT", "codes/ordeal/versions/1", {"properties": {"codeUri": f"{paths}/code"}}
        )
        conda = "dependencies: [python]"
        workspace.call(
            "PUT", "environments/ordeal/versions/1", {"properties": {"condaFile": conda}}
        )
        for trial in (SLOW, QUICK):
            trial.write_inputs(blobs / trial.endpoint)
            self._deploy(trial)

    def _deploy(self, trial: Trial) -> None:
        workspace, path = self._host.workspace, f"batchEndpoints/{trial.endpoint}"
        endpoint: dict[str, Any] = {"properties": {"authMode": "AADToken"}}
        workspace.mutate("PUT", path, endpoint)
        deployment = {
            "properties": {
                "codeConfiguration": {"codeId": "azureml:ordeal:1", "scoringScript": "score.py"},
                "environmentId": "azureml:ordeal:1",
                "maxConcurrencyPerInstance": 2,
                "miniBatchSize": 2,
                "retrySettings": {"maxRetries": RETRIES, "timeout": f"PT{TIME_LIMIT:g}S"},
                "environmentVariables": {
                    "STALLS": str(self._stalls),
                    "PAUSE": str(trial.pause),
                },
            }
        }
        workspace.mutate("PUT", f"{path}/deployments/blue", deployment)
        endpoint["properties"]["defaults"] = {"deploymentName": "blue"}
        workspace.mutate("PUT", path, endpoint)

    # -- one run ------------------------------------------------------------------------

    def undisturbed(self) -> dict[Trial, Expected]:
        return {trial: self._undisturbed(trial) for trial in (SLOW, QUICK)}

    def _undisturbed(self, trial: Trial) -> Expected:
        begun = time.monotonic()
        name = self._invoke(trial, f"calm-{trial.endpoint}")
        job = self._ended([name])[0]
        self._check_counts(trial, job)
        output, manifest = self._results(name)
        if output.count(b"\n") != 1 + trial.rows:
            raise Ordeal(f"the undisturbed job itself is wrong:\n{output.decode()}")
        bundled = self._bundled([name])
        if (bundled > 0) != (trial is QUICK):
            raise Ordeal(f"{bundled} units of the undisturbed {trial.endpoint} job were in bundles")
        return Expected(output, manifest, time.monotonic() - begun, bundled)

    def run(self, seed: int, undisturbed: dict[Trial, Expected]) -> Run:
        """Raises Ordeal when the guarantee does not hold."""
        rng = random.Random(seed)
        trial = rng.choice((SLOW, QUICK))
        expected = undisturbed[trial]
        kind = rng.choice(("invoke", "invoke", "drop"))
        whom = [self._kill_host, self._strike_worker]
        if self._fleet.restart is not None:
            whom.append(self._restart_platform)
        ends = [rng.choice(whom) for _ in range(rng.randint(1, 4))]
        delays = [rng.uniform(0, expected.duration) for _ in ends]
        for file in rng.sample(range(0, trial.files, 2), rng.choice((0, 0, 1))):
            (self._stalls / file_name(file)).touch()
        self._runs += 1
        begun = time.monotonic()
        before = {job["name"] for job in self._jobs(trial)}
        self._mischief.write_text(str(seed))
        try:
            name = self._invoke(trial, f"{seed}-{self._runs}") if kind == "invoke" else None
            if name is None:
                trial.write_inputs(self._host.inbox / trial.endpoint)
            done = []
            for delay, end in zip(delays, ends, strict=True):
                time.sleep(delay)
                done.append(end(rng))
            jobs = self._ended([name]) if name else self._dropped(trial, before)
        finally:
            self._mischief.unlink(missing_ok=True)
        self._check(trial, jobs, expected)
        bundled = self._bundled([job["name"] for job in jobs])
        took = time.monotonic() - begun
        return Run(seed, f"{trial.endpoint} {kind}", tuple(done), bundled, took)

    def _kill_host(self, _: random.Random) -> str:
        """The host, and nothing else; then the host again."""
        self._host.kill()
        until(lambda: not self._host.processes(), what="workers die with their host")
        seed = self._mischief.read_text()
        self._mischief.unlink()
        self._host.start()
        self._mischief.write_text(seed)
        return "host killed"

    def _strike_worker(self, rng: random.Random) -> str:
        """One of those that score now, if any do."""
        what = self._fleet.strike(self._host, "work", rng)
        return f"worker struck ({what})" if what else "no worker to strike"

    def _restart_platform(self, _: random.Random) -> str:
        if self._fleet.restart is not None:
            self._fleet.restart()
        return "platform restarted"

    def _invoke(self, trial: Trial, key: str) -> str:
        uri = f"azureml://datastores/{STORE}/paths/{trial.endpoint}"
        body = {"properties": {"inputData": {"data": {"jobInputType": "UriFolder", "uri": uri}}}}
        url = f"{self._host.url}/endpoints/{trial.endpoint}/jobs"

        def accepted() -> str | None:
            # A caller that gets no good answer asks again, with the same key.
            try:
                answer = self._host.workspace.call("POST", url, body, **{"Idempotency-Key": key})
            except CallFailed as error:
                if error.status not in (429, 503):
                    raise
                return None
            return str(answer.json()["name"])

        return until(accepted, what="a job")

    def _jobs(self, trial: Trial) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        path: str | None = f"batchEndpoints/{trial.endpoint}/jobs?$top=1000"
        while path:
            page = self._host.workspace.get(path)
            found += page["value"]
            path = page.get("nextLink")
        return found

    def _ended(self, names: list[str]) -> list[dict[str, Any]]:
        def look() -> tuple[list[dict[str, Any]] | None, object]:
            try:
                jobs = [self._host.workspace.get(f"jobs/{name}") for name in names]
            except (httpx.TransportError, CallFailed):
                return None, None
            ended = [j for j in jobs if j["properties"]["status"] in _TERMINAL]
            return ended if len(ended) == len(jobs) else None, [_far(job) for job in jobs]

        try:
            jobs = as_it_moves(look, f"the end of {names}", patience=STUCK)
        except AssertionError as error:
            raise Ordeal(f"stuck: {error}; waiting: {self._waiting(names)}") from error
        for job in jobs:
            if job["properties"]["status"] != "Completed":
                raise Ordeal(f"{job['name']} is {job['properties']}")
        return jobs

    def _waiting(self, names: list[str]) -> list[dict[str, Any]]:
        """The units that nobody has recorded, as the store has them."""
        return [unit for unit in self._units(names) if unit.get("record") is None]

    def _bundled(self, names: list[str]) -> int:
        """How many units were recorded by a delivery that had claimed others, too."""
        messages = Counter(unit["claimed_by"].partition("/")[0] for unit in self._units(names))
        return sum(units for units in messages.values() if units > 1)

    def _units(self, names: list[str]) -> list[dict[str, Any]]:
        return [
            body["unit"]
            for partition, body in self._bodies("batchUnit")
            if partition.partition("/")[2] in names
        ]

    def _bodies(self, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
        """With their partitions, as the store has them."""
        query = "SELECT partition, body FROM documents WHERE kind = ?"
        with contextlib.closing(sqlite3.connect(self._data / "documents.db")) as documents:
            rows = [row for kind in kinds for row in documents.execute(query, [kind]).fetchall()]
        return [(partition, json.loads(body)) for partition, body in rows]

    def _results(self, name: str) -> tuple[bytes, bytes]:
        folder = self._data / "blobs" / STORE / "azureml" / name / "score"
        return (folder / "predictions.csv").read_bytes(), (
            folder / "failed_files.jsonl"
        ).read_bytes()

    def _check_counts(self, trial: Trial, job: dict[str, Any]) -> None:
        progress = job["properties"]["progress"]
        failed = len(trial.bad)
        wanted = {
            "totalFiles": trial.files,
            "succeededFiles": trial.files - failed,
            "failedFiles": failed,
            "totalMiniBatches": trial.files // 2,
            "succeededMiniBatches": trial.files // 2,
            "failedMiniBatches": 0,
            "remainingMiniBatches": 0,
            "inFlight": 0,
            "rows": trial.rows,
        }
        if not wanted.items() <= progress.items():
            _, manifest = self._results(job["name"])
            said = manifest.decode()[-1500:]
            raise Ordeal(f"counts are {progress}, not {wanted}; its failed files end with {said}")

    def _dropped(self, trial: Trial, before: set[str]) -> list[dict[str, Any]]:
        """The jobs of a drop, which may have been sealed in several parts."""

        def total() -> tuple[list[str] | None, object]:
            try:
                new = [j for j in self._jobs(trial) if j["name"] not in before]
            except (httpx.TransportError, CallFailed):
                return None, None
            files = sum((j["properties"]["progress"] or {}).get("totalFiles", 0) for j in new)
            names = [j["name"] for j in new]
            return names if files >= trial.files else None, [_far(job) for job in new]

        try:
            names = as_it_moves(total, "all dropped files in jobs", patience=STUCK)
        except AssertionError as error:
            raise Ordeal(f"{error}; of drops: {self._bodies('blobDrop', 'blobArrival')}") from error
        return self._ended(names)

    def _check(self, trial: Trial, jobs: list[dict[str, Any]], expected: Expected) -> None:
        """Together they hold each file once; one that has them all is like the calm one."""
        found = sum(j["properties"]["progress"]["totalFiles"] for j in jobs)
        if found != trial.files:
            raise Ordeal(
                f"{trial.files} files were taken as {found} by {[j['name'] for j in jobs]}"
            )
        if len(jobs) > 1:
            return
        self._check_counts(trial, jobs[0])
        output, manifest = self._results(jobs[0]["name"])
        _compare("output", output, expected.output)
        _compare("manifest", manifest, expected.manifest)


_TERMINAL = ("Completed", "Failed", "Canceled")


def _far(job: dict[str, Any]) -> tuple[str, str, int, int]:
    """How far a job has come."""
    told = job["properties"]
    progress = told["progress"] or {}
    left = progress.get("remainingMiniBatches", -1)
    return job["name"], told["status"], progress.get("totalFiles", -1), left


def _compare(what: str, found: bytes, wanted: bytes) -> None:
    if found == wanted:
        return
    lines, expected = found.splitlines(), wanted.splitlines()
    missing = [line for line in expected if line not in lines][:5]
    extra = [line for line in lines if line not in expected][:5]
    raise Ordeal(
        f"the {what} differs: {len(lines)} lines, not {len(expected)}; "
        f"missing {missing}, too many {extra}"
    )
