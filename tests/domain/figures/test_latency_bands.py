"""Latencies as counts that add up."""

import random
from itertools import pairwise

import pytest

from domain.figures.latency_bands import BOUNDS, COARSE, COARSE_LONG, band, quantile, up_to


def counts(milliseconds: list[float]) -> dict[int, int]:
    found: dict[int, int] = {}
    for each in milliseconds:
        found[band(each)] = found.get(band(each), 0) + 1
    return found


def test_a_band_is_at_most_a_tenth_wide_and_prometheus_bounds_are_among_them() -> None:
    assert all(low < high <= 1.1 * low for low, high in pairwise(BOUNDS))
    assert set(COARSE_LONG) <= set(BOUNDS)


def test_stored_bands_mean_what_they_meant() -> None:
    """A figure that was kept names its band by its place: these may never move."""
    places = {1.0: 32, 10.0: 58, 100.0: 84, 1000.0: 110, 60000.0: 156, 14400000.0: 216}
    assert {bound: band(bound) for bound in places} == places
    assert len(BOUNDS) >= 217


def test_a_quantile_of_what_several_saw_is_right_to_within_a_tenth() -> None:
    rng = random.Random(7)
    parts = [[rng.lognormvariate(3 + n, 1.0) for _ in range(2000)] for n in range(3)]
    total: dict[int, int] = {}
    for part in parts:
        for place, number in counts(part).items():
            total[place] = total.get(place, 0) + number
    whole = sorted(each for part in parts for each in part)
    for share in (0.5, 0.9, 0.95, 0.99):
        found = quantile(total, share)
        assert found == pytest.approx(whole[int(share * len(whole)) - 1], rel=0.1)


def test_nothing_has_no_quantile_and_what_is_beyond_all_bounds_has_the_last() -> None:
    assert quantile({}, 0.5) is None
    assert quantile(counts([1e12]), 0.5) == BOUNDS[-1]


def test_coarser_bounds_have_what_is_below_them() -> None:
    found = up_to(counts([0.01, 1.0, 1.1, 2.5, 10.0, 10.01, 400_000.0]), COARSE)
    assert dict(zip(COARSE, found, strict=False)) == {
        **dict.fromkeys(COARSE, 6),
        **{1: 2, 2.5: 4, 5: 4, 10: 5},
    }
    assert found[-1] == 7
