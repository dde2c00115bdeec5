"""Fuzz a host that is started for it, and say what was reached and what must not have been."""

import argparse
import sys
import tempfile
from pathlib import Path

from outside.running_host import RunningHost
from tests.fuzz.machine import fuzz


def main() -> int:
    """1 when something was answered as it must not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="sequences of calls")
    parser.add_argument("--steps", type=int, default=20, help="calls in one, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the choices among names and bodies")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningHost(Path(folder) / "data") as host,
    ):
        fuzzed = fuzz(host, examples=asked.examples, steps=asked.steps, seed=asked.seed)
    calls = sum(sum(statuses.values()) for statuses in fuzzed.reached.values())
    sys.stdout.write(
        f"{calls} calls of {len(fuzzed.reached)} operations;"
        f" {len(fuzzed.reached) - len(fuzzed.unreached)} of them came to a 2xx\n"
        f"without one: {', '.join(fuzzed.unreached)}\n"
    )
    for fault in sorted(set(fuzzed.faults)):
        sys.stdout.write(f"FAULT {fault}\n")
    return 1 if fuzzed.faults else 0


if __name__ == "__main__":
    sys.exit(main())
