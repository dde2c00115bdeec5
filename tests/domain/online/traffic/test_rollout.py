"""What figures say of a rollout, and what plans may be."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from domain.online.traffic.rollout import (
    Judgement,
    Rollout,
    RolloutPlan,
    RolloutState,
    RolloutStep,
    Verdict,
    plan_faults,
)
from domain.online.traffic.rollout_judgement import Observed, RolloutLimits

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def plan(*traffics: dict[str, int], **limits: float) -> RolloutPlan:
    steps = [RolloutStep(traffic=t, duration=MINUTE) for t in traffics]
    return RolloutPlan(
        steps=steps,
        limits=RolloutLimits.model_validate(limits or {"error_rate": 0.1, "minimum_requests": 10}),
    )


def observed(requests: int, errors: int, seconds: float | None = 0.1, refused: int = 0) -> Observed:
    p95 = None if seconds is None else seconds * 1000
    return Observed(requests=requests, errors=errors, refused=refused, p95_latency_ms=p95)


def judged(
    made: Rollout, minutes: float, green: Observed, blue: Observed | None = None
) -> Judgement:
    return made.judge(NOW + minutes * MINUTE, {"green": green}, blue or Observed())


STEPS = ({"blue": 90, "green": 10}, {"green": 100})


def rollout(made: RolloutPlan) -> Rollout:
    return Rollout(
        id="1",
        plan=made,
        before={"blue": 100},
        step_since=NOW,
        started_at=NOW,
        started_by="me",
    )


@pytest.mark.parametrize(
    ("seen", "after", "verdict", "because"),
    [
        (observed(9, 9, 0.1), 0.5, Verdict.HOLD, "holds until"),
        (observed(10, 1, 0.1), 0.5, Verdict.HOLD, "holds until"),
        (observed(10, 1, 0.1), 1, Verdict.GO_ON, "kept its limits"),
        (observed(10, 2, 0.1), 0.1, Verdict.GO_BACK, "2 of 10 requests to 'green' failed (20.00%)"),
        (observed(10, 2, 0.1), 5, Verdict.GO_BACK, "the limit is 10.00%"),
        (observed(9, 9, 0.1), 5, Verdict.HOLD, "green has had 9 of 10"),
        (observed(0, 0, None), 5, Verdict.HOLD, "green has had 0 of 10"),
    ],
)
def test_an_error_rate_is_judged_over_enough_requests(
    seen: Observed, after: float, verdict: Verdict, because: str
) -> None:
    found = judged(rollout(plan(*STEPS)), after, seen)
    assert (found.verdict, because in found.why) == (verdict, True), found.why


@pytest.mark.parametrize(
    ("p95", "verdict"), [(0.2, Verdict.HOLD), (0.21, Verdict.GO_BACK), (None, Verdict.HOLD)]
)
def test_a_95th_percentile_has_its_limit(p95: float | None, verdict: Verdict) -> None:
    limited = plan(*STEPS, p95_latency_ms=200, minimum_requests=1)
    found = judged(rollout(limited), 0, observed(5, 5, p95))
    assert found.verdict is verdict
    assert ("210.0 ms" in found.why) is (verdict is Verdict.GO_BACK)


def test_only_deployments_that_gain_traffic_are_judged() -> None:
    made = rollout(plan(*STEPS))
    assert made.guarded == ["green"]
    assert made.incumbents == ["blue"]
    found = judged(made, 1, green=observed(100, 0), blue=observed(100, 100, 9))
    assert found.verdict is Verdict.GO_ON


def test_steps_follow_each_other_to_completion() -> None:
    made = rollout(plan(*STEPS))
    second = made.advanced(NOW + MINUTE)
    assert (second.traffic, second.running, second.tally) == ({"green": 100}, True, "1.1")
    assert second.step_since == NOW + MINUTE
    done = second.advanced(NOW + 2 * MINUTE)
    assert (done.state, done.running, done.traffic) == (
        RolloutState.COMPLETED,
        False,
        {"green": 100},
    )
    assert done.ended_at == NOW + 2 * MINUTE


def test_deployments_with_a_part_in_it_are_known_in_any_case() -> None:
    made = rollout(plan({"blue": 100, "red": 0}, {"Green": 100}))
    assert [made.names(n) for n in ("BLUE", "green", "red", "pink")] == [True, True, False, False]


def test_what_was_compared_is_kept_and_the_incumbent_of_an_earlier_step_is_held_on_to() -> None:
    made = rollout(plan(*STEPS))
    blue = observed(900, 190)
    first = judged(made, 1, observed(100, 19), blue)
    assert first.verdict is Verdict.GO_ON
    second = made.judged(first.compared).advanced(NOW + MINUTE)
    assert second.incumbents == []
    found = judged(second, 2, observed(1000, 210))
    assert found.verdict is Verdict.GO_ON
    kept = second.judged(found.compared).compared
    assert [(each.step, each.deployment) for each in kept] == [(1, "green"), (2, "green")]
    for each in kept:
        assert each.incumbent is not None
        assert (each.incumbent.step, each.incumbent.deployments) == (1, ["blue"])
        assert each.incumbent.observed == blue
        assert "as the incumbent is" in each.outcome
    worse = judged(second, 2, observed(1000, 300))
    assert worse.verdict is Verdict.GO_BACK
    assert "the incumbent's share 190 of 900 (21.11%)" in worse.why


def test_an_incumbent_with_few_requests_is_not_one_to_be_held_against() -> None:
    found = judged(rollout(plan(*STEPS)), 1, observed(100, 19), observed(9, 9))
    assert (found.verdict, found.compared[0].incumbent) == (Verdict.GO_BACK, None)


def test_a_step_with_relative_limits_waits_for_the_incumbent_too() -> None:
    made = rollout(plan(*STEPS, error_rate=0.5, relative_error_rate=2, minimum_requests=10))
    found = judged(made, 5, observed(100, 1), observed(9, 0))
    assert found.verdict is Verdict.HOLD
    assert "blue, to be compared with, have had 9 of 10" in found.why


def test_a_rollout_without_comparisons_is_stored_as_it_was_before_there_were_any() -> None:
    made = rollout(plan(*STEPS))
    body = made.to_document()
    assert "compared" not in body
    assert set(body["plan"]["limits"]) == {"error_rate", "p95_latency_ms", "minimum_requests"}
    some = made.judged(judged(made, 1, observed(100, 1), observed(100, 2)).compared)
    assert Rollout.from_document(some.to_document()) == some


THERE = ["blue", "green"]


@pytest.mark.parametrize(
    ("made", "before", "mirror", "target"),
    [
        (plan({"blue": 50}), {"blue": 100}, {}, "properties.rollout.steps.0.traffic"),
        (
            plan({"blue": 100}, {"red": 100}),
            {"blue": 100},
            {},
            "properties.rollout.steps.1.traffic.red",
        ),
        (plan({"blue": 0}), {"blue": 100}, {}, "properties.rollout.steps.0.traffic"),
        (plan({"green": 100}), {}, {}, "properties.rollout"),
        (plan({"blue": 100}), {"green": 100}, {"green": 5}, "properties.rollout"),
        (
            plan({"green": 100}),
            {"blue": 100},
            {"green": 5},
            "properties.rollout.steps.0.traffic.green",
        ),
    ],
)
def test_faults_of_a_plan_are_told_with_their_place(
    made: RolloutPlan, before: dict[str, int], mirror: dict[str, int], target: str
) -> None:
    assert target in [fault.target for fault in plan_faults(made, before, mirror, THERE)]


def test_a_good_plan_has_no_faults() -> None:
    assert plan_faults(plan(*STEPS), {"blue": 100}, {}, THERE) == []
    relative = plan(*STEPS, error_rate=0.1, relative_error_rate=2)
    assert plan_faults(relative, {"blue": 100}, {}, THERE) == []


def test_relative_limits_need_an_incumbent_to_begin_with() -> None:
    relative = plan({"green": 100}, error_rate=0.1, relative_error_rate=2)
    (fault,) = plan_faults(relative, {"blue": 100}, {}, THERE)
    assert fault.target == "properties.rollout.limits"


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"minimum_requests": 5},
        {"error_rate": 1},
        {"error_rate": -0.1},
        {"p95_latency_ms": 0},
        {"relative_error_rate": 2},
        {"error_rate": 0.1, "relative_error_rate": 0.9},
    ],
)
def test_limits_must_limit_something(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        RolloutLimits.model_validate(limits)
