"""A batch job whose host and workers are killed at seeded moments, over stores that fail and a
queue that doubles and delays, against the same job left in peace.

One host, on one data folder, serves run after run. A run invokes an endpoint over HTTP or drops
files into the inbox; its seed decides which, what is killed (SIGKILL) and when, which mini-batches
hang past their time limit, and which faults come (see mischief.py). At the end its output and
its manifest of failed files must be those of the undisturbed job, byte for byte, its counts
exact, and no worker may have outlived its host.
"""

import contextlib
import os
import random
import signal
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from examples.client import CallFailed
from tests.chaos import mischief
from tests.e2e.running_host import RunningHost, until

ENDPOINT = "ordeal"
STORE = "workspaceblobstore"
FILES = 40
BAD = (7, 23)
CODE = """
import os
import time
from pathlib import Path

STALLS = Path(os.environ["STALLS"])


def init():
    print("ready to score")


def run(mini_batch):
    time.sleep(0.03)
    try:
        (STALLS / Path(mini_batch[0]).name).unlink()
    except FileNotFoundError:
        pass
    else:
        time.sleep(60)
    rows = []
    for path in mini_batch:
        text = Path(path).read_text()
        if text.startswith("bad"):
            raise ValueError("this file is bad")
        rows.append([[int(number), int(number) ** 2] for number in text.split()])
    return rows
"""
RETRIES = 8
"""Enough for every time that a worker is killed, or hangs, on one mini-batch."""
TIME_LIMIT = 2.0
LONGEST = 90.0
"""Seconds after which a run is stuck."""


class Ordeal(AssertionError):
    """Something that must hold does not."""


@dataclass(frozen=True)
class Expected:
    """What the undisturbed job made, and how long it took in seconds."""

    output: bytes
    manifest: bytes
    duration: float


@dataclass(frozen=True)
class Run:
    seed: int
    kind: str
    kills: str
    seconds: float


class Arena:
    """A host with an endpoint, to be killed. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._host = RunningHost(
            self._data,
            "--port",
            "0",
            environment={
                "ML_ENDPOINTS_SWEEP_SCHEDULE": "*/2 * * * * *",
                "ML_ENDPOINTS_DROP_QUIET_PERIOD": "0.5",
            },
            module="tests.chaos.mischief",
        )
        self._stalls = folder / "stalls"
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

    def _prepare(self) -> None:
        blobs = self._data / "blobs" / STORE
        self._stalls.mkdir()
        (blobs / "code").mkdir(parents=True)
        (blobs / "code" / "score.py").write_text(CODE)
        self._write_inputs(blobs / "numbers")
        workspace = self._host.workspace
        paths = f"azureml://datastores/{STORE}/paths"
        workspace.call(
            "PUT", "codes/ordeal/versions/1", {"properties": {"codeUri": f"{paths}/code"}}
        )
        conda = "dependencies: [python]"
        workspace.call(
            "PUT", "environments/ordeal/versions/1", {"properties": {"condaFile": conda}}
        )
        endpoint: dict[str, Any] = {"properties": {"authMode": "AADToken"}}
        workspace.mutate("PUT", f"batchEndpoints/{ENDPOINT}", endpoint)
        deployment = {
            "properties": {
                "codeConfiguration": {"codeId": "azureml:ordeal:1", "scoringScript": "score.py"},
                "environmentId": "azureml:ordeal:1",
                "maxConcurrencyPerInstance": 2,
                "miniBatchSize": 2,
                "retrySettings": {"maxRetries": RETRIES, "timeout": f"PT{TIME_LIMIT:g}S"},
                "environmentVariables": {"STALLS": str(self._stalls)},
            }
        }
        workspace.mutate("PUT", f"batchEndpoints/{ENDPOINT}/deployments/blue", deployment)
        endpoint["properties"]["defaults"] = {"deploymentName": "blue"}
        workspace.mutate("PUT", f"batchEndpoints/{ENDPOINT}", endpoint)

    @staticmethod
    def _write_inputs(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(FILES):
            text = "bad" if i in BAD else " ".join(str(i * 10 + k) for k in range(1 + i % 4))
            # A rename, as a writer does who wants its files taken whole.
            draft = folder / f".{_name(i)}"
            draft.write_text(text + "\n")
            draft.rename(folder / _name(i))

    # -- one run ------------------------------------------------------------------------

    def undisturbed(self) -> Expected:
        begun = time.monotonic()
        name = self._invoke("calm")
        job = self._ended([name])[0]
        self._check_counts(job)
        output, manifest = self._results(name)
        if output.count(b"\n") != 1 + sum(1 + i % 4 for i in range(FILES) if i not in _failed()):
            raise Ordeal(f"the undisturbed job itself is wrong:\n{output.decode()}")
        return Expected(output, manifest, time.monotonic() - begun)

    def run(self, seed: int, expected: Expected) -> Run:
        """Raises Ordeal when the guarantee does not hold."""
        rng = random.Random(seed)
        kind = rng.choice(("invoke", "invoke", "drop"))
        ends = [rng.choice((self._kill_host, self._kill_worker)) for _ in range(rng.randint(1, 4))]
        delays = [rng.uniform(0, expected.duration) for _ in ends]
        for file in rng.sample(range(0, FILES, 2), rng.choice((0, 0, 1))):
            (self._stalls / _name(file)).touch()
        self._runs += 1
        begun = time.monotonic()
        before = {job["name"] for job in self._jobs()}
        self._mischief.write_text(str(seed))
        try:
            name = self._invoke(f"{seed}-{self._runs}") if kind == "invoke" else None
            if name is None:
                self._write_inputs(self._host.inbox / ENDPOINT)
            for delay, end in zip(delays, ends, strict=True):
                time.sleep(delay)
                end(rng)
            jobs = self._ended([name]) if name else self._dropped(before)
        finally:
            self._mischief.unlink(missing_ok=True)
        self._check(jobs, expected)
        hosts = ends.count(self._kill_host)
        kills = f"{hosts} hosts and {len(ends) - hosts} workers killed"
        return Run(seed, kind, kills, time.monotonic() - begun)

    def _kill_host(self, _: random.Random) -> None:
        """The host, and nothing else; then the host again."""
        self._host.kill()
        until(lambda: not self._host.processes(), within=5, what="workers die with their host")
        seed = self._mischief.read_text()
        self._mischief.unlink()
        self._host.start()
        self._mischief.write_text(seed)

    def _kill_worker(self, rng: random.Random) -> None:
        """One of those that score now, if any do."""
        workers = sorted(self._host.processes(" work "))
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(workers), signal.SIGKILL)

    def _invoke(self, key: str) -> str:
        uri = f"azureml://datastores/{STORE}/paths/numbers"
        body = {"properties": {"inputData": {"data": {"jobInputType": "UriFolder", "uri": uri}}}}
        url = f"{self._host.url}/endpoints/{ENDPOINT}/jobs"

        def accepted() -> str | None:
            # A caller that gets no good answer asks again, with the same key.
            try:
                answer = self._host.workspace.call("POST", url, body, **{"Idempotency-Key": key})
            except CallFailed as error:
                if error.status not in (429, 503):
                    raise
                return None
            return str(answer.json()["name"])

        return until(accepted, within=LONGEST, what="a job")

    def _jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        path: str | None = f"batchEndpoints/{ENDPOINT}/jobs?$top=1000"
        while path:
            page = self._host.workspace.get(path)
            found += page["value"]
            path = page.get("nextLink")
        return found

    def _ended(self, names: list[str]) -> list[dict[str, Any]]:
        def look() -> list[dict[str, Any]] | None:
            try:
                jobs = [self._host.workspace.get(f"jobs/{name}") for name in names]
            except (httpx.TransportError, CallFailed):
                return None
            ended = [j for j in jobs if j["properties"]["status"] in _TERMINAL]
            return ended if len(ended) == len(jobs) else None

        try:
            jobs = until(look, within=LONGEST, what=f"the end of {names}")
        except AssertionError as error:
            stuck = [self._host.workspace.get(f"jobs/{name}")["properties"] for name in names]
            shown = [(job["status"], job["progress"]) for job in stuck]
            raise Ordeal(f"stuck: {names} {shown} {self._waiting(names)}") from error
        for job in jobs:
            if job["properties"]["status"] != "Completed":
                raise Ordeal(f"{job['name']} is {job['properties']}")
        return jobs

    def _waiting(self, names: list[str]) -> list[str]:
        """The units that nobody has recorded, as the store has them."""
        with contextlib.closing(sqlite3.connect(self._data / "documents.db")) as documents:
            rows = documents.execute(
                "SELECT partition, body FROM documents WHERE kind = 'batchUnit'"
                " AND json_extract(body, '$.recorded') = 0"
            ).fetchall()
        return [body for partition, body in rows if partition.partition("/")[2] in names]

    def _results(self, name: str) -> tuple[bytes, bytes]:
        folder = self._data / "blobs" / STORE / "azureml" / name / "score"
        return (folder / "predictions.csv").read_bytes(), (
            folder / "failed_files.jsonl"
        ).read_bytes()

    def _check_counts(self, job: dict[str, Any]) -> None:
        progress = job["properties"]["progress"]
        failed = len(_failed())
        wanted = {
            "totalFiles": FILES,
            "succeededFiles": FILES - failed,
            "failedFiles": failed,
            "totalMiniBatches": FILES // 2,
            "succeededMiniBatches": FILES // 2 - len(BAD),
            "failedMiniBatches": len(BAD),
            "remainingMiniBatches": 0,
            "inFlight": 0,
            "rows": sum(1 + i % 4 for i in range(FILES) if i not in _failed()),
        }
        if not wanted.items() <= progress.items():
            raise Ordeal(f"counts are {progress}, not {wanted}")

    def _dropped(self, before: set[str]) -> list[dict[str, Any]]:
        """The jobs of a drop, which may have been sealed in several parts."""

        def total() -> list[str] | None:
            try:
                new = [j for j in self._jobs() if j["name"] not in before]
            except (httpx.TransportError, CallFailed):
                return None
            files = sum((j["properties"]["progress"] or {}).get("totalFiles", 0) for j in new)
            return [j["name"] for j in new] if files >= FILES else None

        return self._ended(until(total, within=LONGEST, what="all dropped files in jobs"))

    def _check(self, jobs: list[dict[str, Any]], expected: Expected) -> None:
        """Together they hold each file once; one that has them all is like the calm one."""
        found = sum(j["properties"]["progress"]["totalFiles"] for j in jobs)
        if found != FILES:
            raise Ordeal(f"{FILES} files were taken as {found} by {[j['name'] for j in jobs]}")
        if len(jobs) > 1:
            return
        self._check_counts(jobs[0])
        output, manifest = self._results(jobs[0]["name"])
        _compare("output", output, expected.output)
        _compare("manifest", manifest, expected.manifest)


_TERMINAL = ("Completed", "Failed", "Canceled")


def _name(file: int) -> str:
    return f"{file:02d}.txt"


def _failed() -> set[int]:
    """Files of mini-batches (of two) with a bad one."""
    return {i for bad in BAD for i in (bad - bad % 2, bad - bad % 2 + 1)}


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
