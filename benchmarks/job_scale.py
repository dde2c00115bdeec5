"""How a whole job grows with its files: time, files a second, and the host's memory.

    python -m benchmarks.job_scale [--files 1000 10000 100000 1000000] [--mini-batch 50]
                                   [--folder FOLDER]

For each size a new embedded host in a process of its own. Real files are put into a folder of its
blob store, as a user who has the disk would, and a deployment whose script does nothing is
invoked over HTTP for the folder; a CSV row for each file is committed in the end. The host's own
resident memory is looked at fifty times a second all the while.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.growth import power, slope
from benchmarks.job_log import JobLog
from benchmarks.plan_scale import make
from benchmarks.process_tree import looking
from outside import scoring_files, serving
from outside.running_host import RunningHost
from outside.waiting import until

NOOP = "def init(): pass\ndef run(mini_batch): return [0] * len(mini_batch)\n"
_MB = 2**20
_EVERY = 0.02
_LIMIT = 3600.0
_STEPS = ("Queued", "Running", "Finalizing", "Completed")


class Memory:
    """Resident bytes of a host, looked at while `watching`."""

    def __init__(self, host: RunningHost) -> None:
        self._host = host
        self._seen: list[tuple[float, int]] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        def look() -> None:
            self._seen.append((time.time(), self._host.memory()))

        with looking(look, every=_EVERY):
            yield

    def most(self, since: float, until: float) -> float:
        """The most of it in that time, in MiB; of a time too short for a look, the next one."""
        seen = [each for at, each in self._seen if since <= at <= until]
        return max(seen or [each for at, each in self._seen if at >= since][:1]) / _MB


@dataclass(frozen=True)
class Run:
    """Seconds from the invocation; memory in MiB. `before`: once the host has run a small job;
    `planning`, `running`, `ending`: the most meanwhile; `after`: the job is over."""

    files: int
    planned: float
    completed: float
    running_for: float
    before: float
    planning: float
    running: float
    ending: float
    after: float

    @property
    def most(self) -> float:
        return max(self.planning, self.running, self.ending)


def measure(folder: Path, files: int, mini_batch: int) -> Run:
    with RunningHost(folder / "data", "--port", "0", "--http") as host:
        serving.environment(host)
        scoring_files.batch(host, "noop", NOOP, maxConcurrencyPerInstance=2)
        # The first job of a host pays for its environment, and loads what a job needs.
        small = scoring_files.data(host, {f"{n}.csv": "1\n" for n in range(10)})
        scoring_files.ended(host, scoring_files.started(host, "noop", small))
        make(host.data_dir, files)
        # Files that a user puts there are news to nobody but whoever lists them.
        time.sleep(1)
        before = statistics.median(host.memory() for _ in range(5)) / _MB
        memory, log = Memory(host), JobLog(host.data_dir)
        host.workspace.token()
        with memory.watching():
            called = time.time()
            job = scoring_files.started(
                host,
                "noop",
                "azureml://datastores/workspaceblobstore/paths/data",
                miniBatchSize=mini_batch,
            )
            times = until(lambda: log.ended(job), patience=_LIMIT, every=0.05, what="its end")
            time.sleep(1)
            over = time.time()
        check(host, job, files)
    queued, running, finalizing, completed = (times[step] for step in _STEPS)
    return Run(
        files=files,
        planned=queued - called,
        completed=completed - called,
        running_for=finalizing - running,
        before=before,
        planning=memory.most(called, queued),
        running=memory.most(queued, finalizing),
        ending=memory.most(finalizing, completed),
        after=memory.most(over - 0.2, over),
    )


def check(host: RunningHost, job: str, files: int) -> None:
    """Raises AssertionError unless every file has its row, in order."""
    shown = scoring_files.job(host, job)
    assert shown["status"] == "Completed", shown
    assert shown["progress"]["succeededFiles"] == files, shown["progress"]
    with scoring_files.output(host, shown).open() as rows:
        assert next(rows) == "input_file,input_row,prediction\n"
        for number, row in enumerate(rows):
            assert row == f"part-{number:07d}.csv,0,0\n", (number, row)
        assert number == files - 1


def tell(runs: Sequence[Run]) -> None:
    first, last = runs[0], runs[-1]
    for name, found in (
        ("planned", [(each.files, each.planned) for each in runs]),
        ("completed", [(each.files, each.completed) for each in runs]),
    ):
        say(
            f"{name}: {slope(found) * 1e6:.1f} microseconds a file, and grows with files to the "
            f"{power(found):.2f} (of the two largest: {power(found[-2:]):.2f})"
        )
    say(
        f"memory of the largest: {last.most / first.most:.2f} x that of the smallest "
        f"(planning {last.planning / first.planning:.2f}, running "
        f"{last.running / first.running:.2f}, ending {last.ending / first.ending:.2f}, after it "
        f"{last.after / first.after:.2f})"
    )


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--mini-batch", type=int, default=50, help="files in one")
    parser.add_argument("--folder", help="where the hosts' data is (default: the system's)")
    asked = parser.parse_args()
    say(
        "     files  planned s   files/s  completed s   files/s   MiB before  planning  running"
        "   ending    after"
    )
    runs = []
    for files in asked.files:
        with tempfile.TemporaryDirectory(dir=asked.folder) as name:
            run = measure(Path(name), files, asked.mini_batch)
        runs.append(run)
        say(
            f"{files:10,d} {run.planned:10.3f} {files / run.planned:9,.0f} {run.completed:12.2f} "
            f"{files / run.completed:9,.0f} {run.before:12.1f} {run.planning:9.1f} "
            f"{run.running:8.1f} {run.ending:8.1f} {run.after:8.1f}"
        )
    if len(runs) > 1:
        tell(runs)


if __name__ == "__main__":
    main()
