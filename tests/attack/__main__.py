"""Attack a host, row by row, and say what held."""

import sys
import tempfile
from pathlib import Path

from outside import serving
from tests.attack.ground import ground
from tests.attack.suite import ROWS
from tests.fleets.chosen import chosen_fleet

AS_IT_COMES = {
    "ML_ENDPOINTS_REFUSED_PER_MINUTE": "30",
    "ML_ENDPOINTS_TOKENS_PER_MINUTE": "120",
}
"""Limits that tests' hosts do without."""


def main(chosen: list[str]) -> int:
    """1 when something got through."""
    through = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        chosen_fleet().hosting(Path(folder) / "data", environment=AS_IT_COMES) as host,
    ):
        serving.environment(host)
        with ground(host) as attacked:
            # Guesses are slowed down by address, and all of this comes from one: they come last.
            for name in sorted(chosen or ROWS, key=lambda row: (row == "API2", int(row[3:]))):
                what, row = ROWS[name]
                attempts = list(row(attacked))
                failed = [attempt for attempt in attempts if not attempt.held]
                through += len(failed)
                held = f"{len(attempts) - len(failed):4} of {len(attempts)} held"
                sys.stdout.write(f"{name:<6} {what:<50} {held}\n")
                for attempt in failed:
                    sys.stdout.write(f"       THROUGH {attempt.what}: {attempt.seen}\n")
                sys.stdout.flush()
    return 1 if through else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
