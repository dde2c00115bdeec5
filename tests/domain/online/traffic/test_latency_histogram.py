from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.online.traffic.latency_histogram import band, quantile


@settings(deadline=None)
@given(st.lists(st.floats(1e-5, 600), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_quantile_is_off_by_less_than_a_tenth(seconds: list[float], share: float) -> None:
    bands = Counter(band(each) for each in seconds)
    exact = sorted(seconds)[max(0, -int(-share * len(seconds) // 1) - 1)]
    found = quantile(bands, share)
    assert found is not None
    assert exact / 1.1 <= found <= exact * 1.1


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile({}, 0.95) is None


@pytest.mark.parametrize("seconds", [0, -1, 1e-9])
def test_what_takes_no_time_counts_as_the_fastest(seconds: float) -> None:
    assert band(seconds) == "0"


def test_a_share_of_all_is_there_however_the_parts_are_added_up() -> None:
    bands = {"3": 0.1, "1": 0.2, "2": 0.3, "5": 0.7, "4": 1e-17}
    assert all(quantile(dict(order), 1.0) for order in permutations(bands.items()))
