"""Ours through the whole path: an embedded host in its own process, a job invoked over HTTP, its
committed output read back.

The data folder stays for all rounds: files, model, code, environment and deployment are there
when a round begins, as the peers' files and environments are. Each round starts a host on it.
"""

import csv
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.batch.measured import Measured, Void
from benchmarks.batch.peers import UNUSUAL, WAYS
from benchmarks.batch.ways import score_files
from benchmarks.job_log import JobLog
from benchmarks.process_tree import Peak
from outside import scoring_files, serving
from outside.running_host import RunningHost
from outside.waiting import until

NAME = "ours"
_ENDPOINT = "scores"
_PACKAGES = ("joblib", "numpy", "pandas", "scikit-learn", "scipy")
_LIMIT = 300.0


class Ours:
    name = NAME

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._uri = ""
        self._prepared = False

    def prepare(self) -> None:
        """Nothing is built before `measure` knows what to score."""

    def measure(self, model: Path, files: Path, reader: str) -> Measured:
        """One round: a host started, a job, and at once a second one. Raises Void."""
        peak = Peak()
        if not self._prepared:
            with self._host() as host:
                self._deploy(host, model, files, reader)
                # The environment's bytecode is written, as that of the peers' is.
                self._job(host)
            self._prepared = True
        spawned = time.monotonic()
        with self._host() as host:
            ready = time.monotonic() - spawned
            # The sweep and the restore of a host that has just started are not the job's.
            time.sleep(2)
            with peak.watching(host.pid):
                first = self._job(host)
                workers = set(host.processes(" work "))
                second = self._job(host)
            kept = len(workers & set(host.processes(" work "))) / max(1, len(workers))
        steady_first, whole, found, steps = first
        # As the peers' is: with workers that have imported, loaded and predicted before.
        steady, whole_next, found_next, _ = second
        if found_next != found:
            raise Void("the second job's output is not the first one's")
        predictions = [int(each) for each in found]
        return Measured(
            steady=steady,
            whole=whole,
            predictions=len(predictions),
            digest=score_files.digest(np.array(predictions)),
            in_order=score_files.digest_in_order(np.array(predictions)),
            versions={name: version(name) for name in _PACKAGES if name != "joblib"}
            | {"python": platform.python_version()},
            memory=peak.bytes,
            more={
                "host ready": ready,
                "first job from Running": steady_first,
                "next job from its call": whole_next,
                "workers kept": kept,
                **steps,
            },
        )

    def _host(self) -> RunningHost:
        usual = dict.fromkeys(UNUSUAL, "")  # to Python, empty is not set
        return RunningHost(self._data, "--port", "0", environment=usual)

    def _deploy(self, host: RunningHost, model: Path, files: Path, reader: str) -> None:
        workspace = host.workspace
        uri = workspace.upload("models", "logistic", "1", model)
        workspace.call("PUT", "models/logistic/versions/1", {"properties": {"modelUri": uri}})
        packages = "".join(f"      - {name}=={version(name)}\n" for name in _PACKAGES)
        conda = f"dependencies:\n  - python=3.11\n  - pip\n  - pip:\n{packages}"
        serving.environment(host, conda=conda)
        scripts = {name: (WAYS / name).read_text() for name in ("score.py", "score_files.py")}
        id = workspace.connection["workspace"]
        # The code that `batch` then finds: it has a module beside the script.
        serving.codes(host, f"{_ENDPOINT}-code", scripts)
        scoring_files.batch(
            host,
            _ENDPOINT,
            model={"referenceType": "Id", "assetId": f"{id}/models/logistic/versions/1"},
            resources={"instanceCount": score_files.WORKERS},
            miniBatchSize=score_files.FILES_A_CALL,
            environmentVariables={"BENCH_READER": reader},
            errorThreshold=0,
        )
        uri = workspace.upload("data", "rows", "1", files)
        body = {"properties": {"dataType": "uri_folder", "dataUri": uri}}
        workspace.call("PUT", "data/rows/versions/1", body)
        self._uri = "azureml:rows:1"

    def _job(self, host: RunningHost) -> tuple[float, float, list[str], dict[str, float]]:
        """Seconds from Running, and from the call, to the output read; the predictions in the
        output's order; and how long each step took.

        The end is told by the host's log and then asked for."""
        host.workspace.token()
        log = JobLog(host.data_dir)
        called = time.time()
        name = scoring_files.started(host, _ENDPOINT, self._uri)
        times = until(lambda: log.ended(name), patience=_LIMIT, every=0.005, what="the job's end")
        shown = scoring_files.job(host, name)
        if shown["status"] != "Completed":
            raise Void(f"the job is {shown['status']}: {shown['error']}")
        text = scoring_files.output(host, shown).read_text()
        read = time.time()
        rows = csv.reader(text.splitlines())
        at = next(rows).index("prediction")
        found = [row[at] for row in rows]
        steps = _steps({**times, "output read": read}, called)
        return read - times["Running"], read - called, found, steps


def _steps(times: dict[str, float], called: float) -> dict[str, float]:
    """Seconds until each of `times` from the one before."""
    steps: dict[str, float] = {}
    for name, at in times.items():
        steps[f"until {name}"] = at - called
        called = at
    return steps
