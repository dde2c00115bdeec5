"""What a way is given on its command line, and the one line that it answers with."""

import json
import platform
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import score_files

_SAME = ("numpy", "pandas", "scikit-learn", "scipy")


@dataclass(frozen=True)
class Task:
    model: str
    files: tuple[str, ...]

    @property
    def calls(self) -> list[list[str]]:
        """The files of each call, in order."""
        size = score_files.FILES_A_CALL
        return [list(self.files[at : at + size]) for at in range(0, len(self.files), size)]

    @property
    def warm_up(self) -> list[list[str]]:
        """A call of one file for each worker, and one more each: scored before the clock
        starts, so that every worker has imported, loaded and predicted."""
        count = 2 * score_files.WORKERS
        return [[self.files[n % len(self.files)]] for n in range(count)]


def given() -> Task:
    """`python <way>.py <model> <folder of files>`"""
    model, folder = sys.argv[1:3]
    return Task(model, tuple(sorted(str(path) for path in Path(folder).iterdir())))


def now() -> float:
    """The machine's monotonic clock, which the process that started this one reads too."""
    return time.monotonic()


def report(started: float, finished: float, predictions: Any) -> None:
    """`predictions` in the order of the files. Both times are of `now`."""
    told = {
        "started": started,
        "finished": finished,
        "predictions": len(predictions),
        "digest": score_files.digest(predictions),
        "in_order": score_files.digest_in_order(predictions),
        "versions": {name: version(name) for name in _SAME} | {"python": platform.python_version()},
    }
    sys.stdout.write(f"RESULT {json.dumps(told)}\n")
    sys.stdout.flush()
