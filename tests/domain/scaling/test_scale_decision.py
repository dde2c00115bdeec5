"""What the autoscaler makes of a load."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.online.deployment_scale import DeploymentScale, ScaleBounds
from domain.scaling.scale_decision import CALM_PERIODS, Load, decide

NOW = datetime(2026, 1, 2, tzinfo=UTC)
IDLE = timedelta(minutes=5)


def scale(
    instances: int, least: int = 1, most: int = 10, target: int = 70, workers: int = 1
) -> DeploymentScale:
    return DeploymentScale(
        endpoint="iris",
        deployment="blue",
        of=NOW,
        workers=workers,
        bounds=ScaleBounds(
            min_instances=least,
            max_instances=most,
            target_utilization_percentage=target,
            polling_interval=timedelta(seconds=1),
        ),
        instances=instances,
    )


def loads(*requests: float, capacity: int = 4, idle: float = 0) -> list[Load]:
    return [Load(each, capacity, timedelta(seconds=idle)) for each in requests]


@pytest.mark.parametrize(
    ("up", "busy", "needed"),
    [
        (1, (2.8,), 1),  # 70 %, the target itself
        (1, (3.2,), 2),
        (1, (8.0,), 3),  # all running, as many waiting
        (2, (8.0, 8.0), 6),
        (3, (12.0, 12.0, 12.0), 10),  # never over the maximum
    ],
)
def test_more_come_at_once_as_many_as_the_target_asks_for(
    up: int, busy: tuple[float, ...], needed: int
) -> None:
    then = decide(scale(up), loads(*busy), NOW, IDLE)
    assert then.instances == needed
    if needed > up:
        assert then.last_decision is not None
        assert then.last_decision.before == up
        assert f"{needed} are needed" in then.last_decision.reason


def test_those_still_starting_are_not_asked_for_twice() -> None:
    assert decide(scale(3), loads(8.0), NOW, IDLE).instances == 3


def test_with_workers_an_instance_is_so_many_processes() -> None:
    assert decide(scale(1, workers=2), loads(2.0, 2.0, capacity=2), NOW, IDLE).instances == 2


def test_processes_that_answer_at_one_address_count_as_many() -> None:
    together = [Load(4.0, 4, timedelta(0), workers=2)]
    assert decide(scale(1, workers=2), together, NOW, IDLE).instances == 2


def test_fewer_only_after_a_calm_time_and_then_as_many_as_its_busiest_moment_needed() -> None:
    then = scale(5)
    for second in range(CALM_PERIODS):
        busy = 10.0 if second == 7 else 0.5
        then = decide(then, loads(busy, 0, 0, 0, 0), NOW + timedelta(seconds=second), IDLE)
        assert then.instances == 5
    then = decide(then, loads(0, 0, 0, 0, 0), NOW + timedelta(seconds=CALM_PERIODS), IDLE)
    assert then.instances == 4
    assert then.last_decision is not None
    assert "4 have been enough for 20 s" in then.last_decision.reason


def test_a_busy_moment_begins_the_calm_anew() -> None:
    then = decide(scale(3), loads(1, 1, 1), NOW, IDLE)
    assert then.calm_since == NOW
    then = decide(then, loads(3, 3, 2), NOW + timedelta(seconds=10), IDLE)
    assert then.calm_since is None
    late = NOW + timedelta(seconds=CALM_PERIODS + 1)
    assert decide(then, loads(1, 1, 1), late, IDLE).instances == 3


def test_nothing_is_written_while_nothing_changes() -> None:
    steady = scale(2)
    assert decide(steady, loads(2.7, 2.7), NOW, IDLE) is steady
    calm = decide(scale(3), loads(1, 1, 1), NOW, IDLE)
    assert decide(calm, loads(1, 1, 1), NOW + timedelta(seconds=5), IDLE) is calm


def test_without_a_measurement_nothing_is_decided() -> None:
    assert decide(scale(2, least=0), [], NOW, IDLE) == scale(2, least=0)


def test_who_may_sleep_does_so_once_nobody_has_asked_for_long_enough() -> None:
    quiet = scale(2, least=0)
    assert decide(quiet, loads(0, 0, idle=299), NOW, IDLE).instances == 2
    # One of them was asked: the deployment was.
    both = [*loads(0, idle=1000), *loads(0, idle=10)]
    assert decide(quiet, both, NOW, IDLE).instances == 2
    asleep = decide(quiet, loads(0, 0, idle=300), NOW, IDLE)
    assert asleep.instances == 0
    assert asleep.last_decision is not None
    assert "nobody has asked for it in 300 s" in asleep.last_decision.reason
    assert decide(scale(2), loads(0, 0, idle=3000), NOW, IDLE).instances == 2


def test_who_may_sleep_keeps_one_instance_until_then() -> None:
    then = scale(1, least=0)
    for second in range(100):
        then = decide(then, loads(0, idle=second), NOW + timedelta(seconds=second), IDLE)
    assert then.instances == 1


def test_it_is_looked_at_once_in_a_polling_interval() -> None:
    slow = scale(1)
    slow = slow.but(bounds=slow.bounds.but(polling_interval=timedelta(seconds=5)))
    tick = timedelta(seconds=1)
    due = [slow.is_due(NOW + timedelta(seconds=i + 0.3), tick) for i in range(20)]
    assert due.count(True) == 4
    assert all(scale(1).is_due(NOW + timedelta(seconds=i + 0.3), tick) for i in range(20))
