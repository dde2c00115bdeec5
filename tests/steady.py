"""`python -m tests.steady [alone] [busy] [half] ...`: the whole suite, once in each surrounding.

alone: as it is. busy: beside a busy loop for each core. half: with half a core for each worker of
the suite, by a CPU quota of a control group, which takes root. Without arguments two runs alone,
two busy and one with half: what a change to how tests wait has to pass. Prints the last line of
each run; what else it printed is in a file that is named. Exits with 1 when one of them failed.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from outside.waiting import until
from tests.kit.real_app import ROOT

_ALL: Final = ("alone", "alone", "busy", "busy", "half")
_PERIOD: Final = 100_000
"""Microseconds."""
_BUSY: Final = "while True: pass"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.steady", description=__doc__)
    parser.add_argument("surroundings", nargs="*", metavar="alone|busy|half")
    asked = parser.parse_args().surroundings or list(_ALL)
    unknown = set(asked) - set(_ALL)
    if unknown:
        parser.error(f"no such surrounding: {', '.join(sorted(unknown))}")
    folder = Path(tempfile.mkdtemp(prefix="steady-"))
    failed = 0
    for number, surrounding in enumerate(asked, 1):
        output = folder / f"{number}-{surrounding}.txt"
        status = _run(surrounding, output)
        failed += status != 0
        last = output.read_text().strip().splitlines()[-1:]
        _say(f"{surrounding}: {' '.join(last).strip('= ')} (exit {status}; {output})")
    return 1 if failed else 0


def _run(surrounding: str, output: Path) -> int:
    workers = os.cpu_count() or 1
    command = [
        *(sys.executable, "-m", "pytest", "-n", str(workers)),
        *("--dist", "loadfile", "--no-loadscope-reorder"),
    ]
    with contextlib.ExitStack() as stack, output.open("w") as file:
        join = None
        if surrounding == "busy":
            stack.enter_context(_busy_loops(workers))
        elif surrounding == "half":
            group = stack.enter_context(_control_group(workers * _PERIOD // 2))

            def join() -> None:
                group.joinpath("cgroup.procs").write_text(str(os.getpid()))

        return subprocess.run(
            command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, preexec_fn=join, check=False
        ).returncode


@contextlib.contextmanager
def _busy_loops(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@contextlib.contextmanager
def _control_group(quota: int) -> Iterator[Path]:
    """A group whose processes have together so many microseconds of processor time a period."""
    first, second = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    group = (first if first.is_dir() else second) / f"steady-{os.getpid()}"
    try:
        group.mkdir()
        if first.is_dir():
            group.joinpath("cpu.cfs_period_us").write_text(str(_PERIOD))
            group.joinpath("cpu.cfs_quota_us").write_text(str(quota))
        else:
            group.joinpath("cpu.max").write_text(f"{quota} {_PERIOD}")
    except OSError as error:
        sys.exit(f"No CPU quota can be set, which takes root and control groups: {error}.")
    try:
        yield group
    finally:
        # Those of an interrupted run may stay in it; the last of any other take a moment to end.
        with contextlib.suppress(AssertionError):
            until(lambda: _removed(group), patience=10)


def _removed(group: Path) -> bool:
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
