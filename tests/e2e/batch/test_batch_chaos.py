"""Some runs of `make chaos`: a killed host's jobs end as if it had lived."""

import os
from pathlib import Path

import pytest

from tests.chaos.ordeal import Arena
from tests.fleets.chosen import chosen_name
from tests.fleets.fleet import Fleet

FIRST = int(os.environ.get("CHAOS_SEED", "1"))
RUNS = 1 if chosen_name() == "processes" else 4
"""Of processes `make test` plays a share; `make chaos` plays as many as one wants."""


@pytest.mark.journey
def test_a_host_killed_at_any_moment_of_a_job_leaves_the_same_output(
    fleet: Fleet, tmp_path: Path
) -> None:
    with Arena(tmp_path, fleet) as arena:
        expected = arena.undisturbed()
        for seed in range(FIRST, FIRST + RUNS):
            try:
                arena.run(seed, expected)
            except AssertionError as error:
                again = f"python -m tests.chaos --seed {seed} --runs 1"
                raise AssertionError(f"seed {seed} ({again}): {error}") from error
