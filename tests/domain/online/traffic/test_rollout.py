"""What figures say of a rollout, and what plans may be."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from domain.online.traffic.rollout import (
    Observed,
    Rollout,
    RolloutLimits,
    RolloutPlan,
    RolloutState,
    RolloutStep,
    Verdict,
    plan_faults,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def plan(*traffics: dict[str, int], **limits: float) -> RolloutPlan:
    steps = [RolloutStep(traffic=t, duration=MINUTE) for t in traffics]
    return RolloutPlan(
        steps=steps,
        limits=RolloutLimits.model_validate(limits or {"error_rate": 0.1, "minimum_requests": 10}),
    )


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
        (Observed(9, 9, 0.1), 0.5, Verdict.HOLD, "holds until"),
        (Observed(10, 1, 0.1), 0.5, Verdict.HOLD, "holds until"),
        (Observed(10, 1, 0.1), 1, Verdict.GO_ON, "kept its limits"),
        (Observed(10, 2, 0.1), 0.1, Verdict.GO_BACK, "2 of 10 requests to 'green' failed (20.00%)"),
        (Observed(10, 2, 0.1), 5, Verdict.GO_BACK, "the limit is 10.00%"),
        (Observed(9, 9, 0.1), 5, Verdict.HOLD, "green has had 9 of 10"),
        (Observed(0, 0, None), 5, Verdict.HOLD, "green has had 0 of 10"),
    ],
)
def test_an_error_rate_is_judged_over_enough_requests(
    seen: Observed, after: float, verdict: Verdict, because: str
) -> None:
    found, why = rollout(plan(*STEPS)).judge(NOW + after * MINUTE, {"green": seen})
    assert (found, because in why) == (verdict, True), why


@pytest.mark.parametrize(
    ("p95", "verdict"), [(0.2, Verdict.HOLD), (0.21, Verdict.GO_BACK), (None, Verdict.HOLD)]
)
def test_a_95th_percentile_has_its_limit(p95: float | None, verdict: Verdict) -> None:
    limited = plan(*STEPS, p95_latency_ms=200, minimum_requests=1)
    found, why = rollout(limited).judge(NOW, {"green": Observed(5, 5, p95)})
    assert found is verdict
    assert ("210.0 ms" in why) is (verdict is Verdict.GO_BACK)


def test_only_deployments_that_gain_traffic_are_judged() -> None:
    made = rollout(plan(*STEPS))
    assert made.guarded == ["green"]
    bad = {"blue": Observed(100, 100, 9), "green": Observed(100, 0, 0.1)}
    assert made.judge(NOW + MINUTE, bad)[0] is Verdict.GO_ON


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


@pytest.mark.parametrize(
    "limits",
    [{}, {"minimum_requests": 5}, {"error_rate": 1}, {"error_rate": -0.1}, {"p95_latency_ms": 0}],
)
def test_limits_must_limit_something(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        RolloutLimits.model_validate(limits)
