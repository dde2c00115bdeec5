"""A share of what `make simulate` plays."""

import pytest

from tests.simulation.planted.planting import PLANTED, find
from tests.simulation.simulation import play

SEEDS = range(50)
FOUND_SOON = ("a lost resend", "a unit saved whatever others wrote", "an operation left open")
"""Planted bugs that few seeds find; `python -m tests.simulation --planted` finds them all."""
SOON = range(60)


@pytest.mark.parametrize("first", range(SEEDS.start, SEEDS.stop, 50))
def test_whatever_befalls_it_the_application_keeps_its_word(first: int) -> None:
    for seed in range(first, first + 50):
        played = play(seed)
        assert played.broken is None, f"{played.schedule.text()}\n{played}"


def test_a_seed_replays_exactly() -> None:
    once, again = play(7), play(7)
    assert len(once.schedule) > 5
    assert once.schedule.text() == again.schedule.text()
    assert play(8).schedule.text() != once.schedule.text()


@pytest.mark.parametrize("name", FOUND_SOON)
def test_a_planted_bug_is_found(name: str) -> None:
    [bug] = [each for each in PLANTED if each.name == name]
    found = find(bug, SOON)
    assert found is not None
    assert found.schedule.text()


def test_planted_bugs_are_told_apart() -> None:
    assert len({bug.name for bug in PLANTED}) == len(PLANTED) >= 20
