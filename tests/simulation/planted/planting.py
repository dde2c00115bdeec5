"""Bugs planted in the protocols, one at a time: a simulation that finds each of them soon is one
to trust when it finds nothing."""

from tests.simulation.planted.bug import Bug, planted
from tests.simulation.planted.feature_bugs import BUGS as OF_FEATURES
from tests.simulation.planted.job_bugs import BUGS as OF_JOBS
from tests.simulation.simulation import Played, play

PLANTED = (*OF_JOBS, *OF_FEATURES)


def find(bug: Bug, seeds: range) -> Played | None:
    """The first of `seeds` that finds it, and holds without it; None if none does."""
    for seed in seeds:
        with planted(bug):
            played = play(seed, bug.scenario)
        if played.broken is not None and play(seed, bug.scenario).broken is None:
            return played
    return None
