"""What was measured of each version, kept: a line a figure, appended by the benchmark that took it.

The file is benchmarks/history.csv. Machines differ, and so does what else they do: figures
are compared within a run, and a run's load average stands beside them."""

import csv
import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.reach.line import Line

FILE = Path(__file__).parents[1] / "history.csv"
TITLES = ("day", "version", "load", "benchmark", "what", "reach", "measured", "met")
_MET = {True: "yes", False: "no", None: "not measured"}


def keep(benchmark: str, lines: Sequence[Line], file: Path = FILE) -> None:
    """Append `lines`, as they were measured now."""
    day, version, load = datetime.now(UTC).date().isoformat(), _version(), os.getloadavg()[1]
    is_new = not file.exists()
    with file.open("a", newline="") as opened:
        table = csv.writer(opened, lineterminator="\n")
        if is_new:
            table.writerow(TITLES)
        for each in lines:
            figures = (each.what, each.reach, each.told, _MET[each.met])
            table.writerow((day, version, f"{load:.1f}", benchmark, *figures))


def _version() -> str:
    """As git names it; a checkout without git has none."""
    said = subprocess.run(
        ["git", "describe", "--always", "--tags", "--dirty"],
        cwd=FILE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "unknown"
