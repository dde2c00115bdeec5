"""Play seeds until enough were played, and print what was found, with the schedule that led to it.

python -m tests.simulation --seeds 1000 --first 0
python -m tests.simulation --replay 17        its schedule, whatever came of it
python -m tests.simulation --planted          how soon each planted bug is found
"""

import argparse
import os
import sys
import time

from tests.simulation.planted.planting import PLANTED, find
from tests.simulation.simulation import SCENARIOS, Played, play

_HASHES = "PYTHONHASHSEED"


def main() -> int:
    if os.environ.get(_HASHES) != "0":
        # What the order of a set decides is to be the same each time, too.
        os.execve(
            sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, _HASHES: "0"}
        )
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--replay", type=int, help="one, with its schedule")
    parser.add_argument("--only", choices=list(SCENARIOS), help="one scenario")
    parser.add_argument("--keep-going", action="store_true", help="after what was found")
    parser.add_argument("--planted", nargs="*", help="find planted bugs: these, or all")
    asked = parser.parse_args()
    if asked.planted is not None:
        return _planted(asked.planted, asked.first, asked.seeds)
    if asked.replay is not None:
        return _shown(play(asked.replay, asked.only))
    return _play(range(asked.first, asked.first + asked.seeds), asked.only, asked.keep_going)


def _play(seeds: range, only: str | None, keep_going: bool) -> int:
    began, found, simulated = time.process_time(), 0, 0.0
    for number, seed in enumerate(seeds, 1):
        played = play(seed, only)
        simulated += played.seconds
        if played.broken is not None:
            found += 1
            if not keep_going:
                return _shown(played)
            _say(played)
        if number % 1000 == 0 or number == len(seeds):
            took = time.process_time() - began
            _say(
                f"{number} seeds, {found} of which broke something; {number / took * 60:.0f} a"
                f" minute of one core; {simulated / 3600:.0f} hours simulated"
            )
    return 1 if found else 0


def _shown(played: Played) -> int:
    _say(played.schedule.text())
    _say(played)
    if played.broken is None:
        return 0
    _say(f"Again: .venv/bin/python -m tests.simulation --replay {played.seed}")
    return 1


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _planted(names: list[str], first: int, seeds: int) -> int:
    missed = 0
    for bug in PLANTED:
        if names and bug.name not in names:
            continue
        played = find(bug, range(first, first + seeds))
        if played is None:
            missed += 1
            _say(f"{bug.name}: not within {seeds} seeds ({bug.why})")
        else:
            _say(f"{bug.name}: seed {played.seed}: {played.broken}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
