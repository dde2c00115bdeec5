"""What a rollout that begins, moves on or ends makes of its endpoint."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from domain.online.online_endpoint import OnlineEndpoint
from domain.online.traffic.rollout import Rollout, RolloutPlan, RolloutState
from domain.online.traffic.traffic import Percentages
from domain.ports import Create, Write

ALARM_KIND = "rolloutAlarm"
LOOK_AFTER = timedelta(seconds=2)


def begun(plan: RolloutPlan, before: Percentages, caller: str, now: datetime) -> Rollout:
    return Rollout(
        id=uuid.uuid4().hex[:16],
        plan=plan,
        before=before,
        step_since=now,
        started_at=now,
        started_by=caller,
    )


def alarm(endpoint: str, rollout: Rollout, now: datetime) -> Write:
    """What has a new rollout looked at."""
    body = {"kind": ALARM_KIND, "endpoint": endpoint, "rollout": rollout.id}
    return Create(f"rollout:{rollout.id}", body, due_at=(now + LOOK_AFTER).timestamp())


def with_rollout(endpoint: OnlineEndpoint, rollout: Rollout, now: datetime) -> OnlineEndpoint:
    """The endpoint where `rollout` has got to: with the step's traffic, or what was before."""
    back = rollout.state is RolloutState.ROLLED_BACK
    properties = endpoint.properties.but(
        traffic=live(rollout.before if back else rollout.traffic),
        rollout=rollout.plan if rollout.running else None,
    )
    # Once gone back there is nothing more to go back to: asking twice is asking once.
    before: Percentages = {} if back else live(rollout.before)
    return endpoint.but(
        properties=properties, rollout=rollout, traffic_before=before, modified_at=now
    )


def live(traffic: Mapping[str, int]) -> Percentages:
    return {name: percent for name, percent in traffic.items() if percent}
