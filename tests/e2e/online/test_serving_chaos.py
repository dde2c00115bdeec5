"""Some runs of `make chaos` over containers, or pods: a deployment that is struck under callers."""

from pathlib import Path

import pytest

from tests.chaos.serving_ordeal import ServingArena
from tests.fleets.chosen import chosen_name
from tests.fleets.fleet import Fleet

SEEDS = (103, 105)
"""An instance is paused, two are cut off, the host is killed twice, what runs is changed, and how
many do."""


@pytest.mark.journey
@pytest.mark.skipif(chosen_name() == "processes", reason="CI plays these by make chaos")
def test_what_is_struck_costs_callers_no_more_than_what_was_in_flight(
    fleet: Fleet, tmp_path: Path
) -> None:
    with ServingArena(tmp_path, fleet) as arena:
        for seed in SEEDS:
            try:
                arena.run(seed)
            except AssertionError as error:
                again = f"python -m tests.chaos --kind serving --seed {seed} --runs 1"
                raise AssertionError(f"seed {seed} ({again}): {error}") from error
