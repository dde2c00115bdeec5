"""`python -m tests.chaos --seed N --runs N`: batch jobs whose host and workers are killed, over
stores that fail and a queue that doubles and delays.

Prints each run's seed; a failed run is replayed with `--seed N --runs 1`.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.ordeal import Arena


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="of the first run; the next has one more")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--data-dir", type=Path, help="keep the data here, to look at it")
    asked = parser.parse_args()
    first = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    failed: list[int] = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = asked.data_dir or Path(temporary)
        with Arena(folder) as arena:
            expected = arena.undisturbed()
            for trial, calm in expected.items():
                _say(
                    f"{trial.endpoint}, undisturbed: {calm.duration:.1f} s, "
                    f"{len(calm.output)} bytes, {calm.bundled} units in bundles"
                )
            for seed in range(first, first + asked.runs):
                try:
                    run = arena.run(seed, expected)
                except AssertionError as error:
                    failed.append(seed)
                    _say(f"seed {seed}: FAILED: {error}")
                else:
                    _say(
                        f"seed {seed}: {run.kind}, {run.kills}, {run.bundled} units in bundles, "
                        f"{run.seconds:.1f} s: same"
                    )
    minutes = (time.monotonic() - begun) / 60
    _say(f"{asked.runs} runs in {minutes:.1f} minutes, {len(failed)} failed {failed or ''}")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
