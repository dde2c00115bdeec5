"""What the figures of a version and of the incumbent say, by counts."""

import random
from math import comb
from typing import Any

import pytest

from domain.online.traffic.rollout_judgement import (
    CHANCE,
    Incumbent,
    Observed,
    RolloutLimits,
    chance_of_more,
    compared,
)


def seen(requests: int, errors: int = 0, refused: int = 0, p95: float | None = None) -> Observed:
    return Observed(requests=requests, errors=errors, refused=refused, p95_latency_ms=p95)


def held(version: Observed, kept: Observed | None, **limits: Any) -> tuple[bool, str]:
    """Whether it keeps the limits, and how that is said."""
    incumbent = None if kept is None else Incumbent(deployments=["blue"], step=1, observed=kept)
    keeps, comparison = compared(
        RolloutLimits.model_validate(limits), 1, "green", version, incumbent
    )
    return keeps, comparison.outcome


@pytest.mark.parametrize(
    ("version", "kept", "keeps"),
    [
        (seen(100, 19), seen(100, 21), True),
        (seen(100, 21), seen(100, 19), True),
        (seen(1000, 210), seen(9000, 1890), True),
        (seen(100, 19), seen(900, 45), False),
        (seen(100, 60), seen(100, 21), False),
        (seen(1000, 300), seen(9000, 1890), False),
        (seen(100, 19), None, False),
        (seen(100, 10), None, True),
        (seen(100, 10), seen(900, 0), True),
    ],
)
def test_a_limit_that_the_incumbent_breaks_is_broken_only_by_what_is_worse(
    version: Observed, kept: Observed | None, keeps: bool
) -> None:
    assert held(version, kept, error_rate=0.1)[0] is keeps


@pytest.mark.parametrize(
    ("version", "kept", "keeps"),
    [
        (seen(100, 4), seen(900, 18), True),  # not over 2 times
        (seen(50, 3), seen(50, 1), True),  # 3 times, and may be chance
        (seen(500, 30), seen(500, 10), False),
        (seen(100, 5), seen(900, 0), False),  # any is more than none
        (seen(100, 1), seen(900, 0), True),
        (seen(1_000_000, 1900), seen(1_000_000, 1000), True),  # certain, and within the limit
    ],
)
def test_a_relative_limit_needs_both_its_ratio_and_more_than_chance(
    version: Observed, kept: Observed, keeps: bool
) -> None:
    found, told = held(version, kept, error_rate=0.5, relative_error_rate=2)
    assert found is keeps, told
    assert ("2 times the incumbent's share" in told) is not keeps


@pytest.mark.parametrize(
    ("version", "kept", "keeps"),
    [
        (seen(100, refused=20), seen(100, refused=21), True),
        (seen(100, refused=100), None, True),  # nobody to say that another would have answered
        (seen(100, refused=100), seen(900, refused=9), False),
        (seen(100, refused=45), seen(900, refused=180), False),
        (seen(100, refused=27), seen(900, refused=180), True),
        (seen(1_000_000, refused=250_000), seen(1_000_000, refused=200_000), True),
    ],
)
def test_refusals_are_a_version_s_fault_as_far_as_the_incumbent_has_fewer(
    version: Observed, kept: Observed | None, keeps: bool
) -> None:
    found, told = held(version, kept, error_rate=0.1)
    assert found is keeps, told
    assert ("as their callers' fault" in told) is not keeps


def test_refusals_have_the_relative_limit_where_there_is_no_other() -> None:
    limits = {"p95_latency_ms": 1000, "relative_error_rate": 1.5}
    assert held(seen(1000, refused=290), seen(1000, refused=200), **limits)[0]
    assert not held(seen(1000, refused=310), seen(1000, refused=200), **limits)[0]
    assert held(seen(1000, refused=310), seen(1000, refused=200), p95_latency_ms=1000)[0]


@pytest.mark.parametrize(
    ("p95", "usual", "limits", "keeps"),
    [
        (210, 150, {"p95_latency_ms": 200}, False),
        (190, 150, {"p95_latency_ms": 200}, True),
        (260, 250, {"p95_latency_ms": 200}, True),
        (290, 250, {"p95_latency_ms": 200}, False),
        (210, None, {"p95_latency_ms": 200}, False),
        (None, 150, {"p95_latency_ms": 200}, True),
        (190, 100, {"p95_latency_ms": 200, "relative_p95_latency": 1.5}, False),
        (140, 100, {"p95_latency_ms": 200, "relative_p95_latency": 1.5}, True),
    ],
)
def test_latencies_have_their_limits_too(
    p95: float | None, usual: float | None, limits: dict[str, float], keeps: bool
) -> None:
    assert held(seen(100, p95=p95), seen(100, p95=usual), **limits)[0] is keeps


def test_what_was_compared_is_told_with_its_figures() -> None:
    version, kept = seen(100, 19), seen(100, 21)
    incumbent = Incumbent(deployments=["blue"], step=2, observed=kept)
    keeps, told = compared(RolloutLimits(error_rate=0.1), 3, "green", version, incumbent)
    assert keeps
    assert (told.step, told.deployment, told.observed) == (3, "green", version)
    assert (told.incumbent, told.chance) == (incumbent, 1)
    assert told.outcome == "It is over errorRate, as the incumbent is, and no worse than that."


# -- the test ------------------------------------------------------------------------------------


def by_counting(ours: int, drawn: int, theirs: int, others: int) -> float:
    cases, whole = ours + theirs, drawn + others
    ways = sum(
        comb(cases, case) * comb(whole - cases, drawn - case)
        for case in range(ours, min(cases, drawn) + 1)
    )
    return ways / comb(whole, drawn)


@pytest.mark.parametrize(
    ("ours", "drawn", "theirs", "others"),
    [(1, 1, 0, 1), (5, 100, 0, 900), (3, 50, 1, 50), (60, 100, 21, 100), (30, 30, 2, 40)],
)
def test_chance_is_fisher_s(ours: int, drawn: int, theirs: int, others: int) -> None:
    found = chance_of_more(ours, seen(drawn), theirs, seen(others))
    assert found == pytest.approx(by_counting(ours, drawn, theirs, others), rel=1e-6)


def test_no_larger_share_is_no_evidence() -> None:
    assert chance_of_more(0, seen(10), 0, seen(10)) == 1
    assert chance_of_more(5, seen(100), 5, seen(100)) == 1
    assert chance_of_more(4, seen(100), 5, seen(100)) == 1


def test_counts_may_be_as_large_as_they_like() -> None:
    many = 10_000_000
    assert chance_of_more(2_020_000, seen(many), 2_000_000, seen(many)) < 1e-20
    assert chance_of_more(2_000_500, seen(many), 2_000_000, seen(many)) > 0.3


def test_alike_versions_are_told_apart_hardly_ever() -> None:
    luck = random.Random(12)

    def fails(requests: int) -> int:
        return sum(luck.random() < 0.2 for _ in range(requests))

    false = sum(
        chance_of_more(fails(100), seen(100), fails(400), seen(400)) < CHANCE for _ in range(1000)
    )
    assert false <= 5
