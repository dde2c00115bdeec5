"""Fuzz a host that is started for it, and say what was reached and what must not have been."""

import argparse
import sys
import tempfile
from pathlib import Path

from outside.running_host import RunningHost
from tests.fuzz.machine import HOST_ENVIRONMENT, fuzz
from tests.fuzz.unreached import UNREACHED

ENOUGH = 200
"""Sequences after which each operation that can has come to a 2xx."""


def main() -> int:
    """1 when something was answered as it must not be, or nothing came to a 2xx that can."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="sequences of calls")
    parser.add_argument("--steps", type=int, default=20, help="calls in one, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the choices among names and bodies")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningHost(Path(folder) / "data", environment=HOST_ENVIRONMENT) as host,
    ):
        fuzzed = fuzz(host, examples=asked.examples, steps=asked.steps, seed=asked.seed)
    calls = sum(sum(statuses.values()) for statuses in fuzzed.reached.values())
    sys.stdout.write(
        f"{calls} calls of {len(fuzzed.reached)} operations;"
        f" {len(fuzzed.reached) - len(fuzzed.unreached)} of them came to a 2xx\n"
    )
    for name in fuzzed.unreached:
        reason = UNREACHED.get(name, f"NO REASON WHY: {fuzzed.last[name]}")
        sys.stdout.write(f"without one: {name}: {reason}\n")
    for fault in sorted(set(fuzzed.faults)):
        sys.stdout.write(f"FAULT {fault}\n")
    # So few that chance has a part in what is reached say nothing of that.
    unexplained = asked.examples >= ENOUGH and not UNREACHED.keys() >= set(fuzzed.unreached)
    return 1 if fuzzed.faults or unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
