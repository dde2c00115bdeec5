"""Which facts follow from what traffic was and is."""

from datetime import UTC, datetime
from typing import Any

from domain.ground.facts import EventType, Fact
from domain.ground.keys import SealedKey, SealedKeys
from domain.online.online_endpoint import OnlineEndpoint, OnlineEndpointProperties
from domain.online.traffic.rollout import Rollout, RolloutPlan, RolloutState
from domain.online.traffic.traffic_facts import traffic_moved

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def endpoint(**changes: Any) -> OnlineEndpoint:
    key = SealedKey(sealed="s", digest="00")
    made = OnlineEndpoint(
        name="iris",
        location="here",
        properties=OnlineEndpointProperties(traffic={"blue": 100}),
        sealed_keys=SealedKeys(primary=key, secondary=key),
        created_at=NOW,
        created_by="me",
        modified_at=NOW,
        modified_by="me",
    )
    return made.but(**changes)


def rollout(**changes: Any) -> Rollout:
    step = {"traffic": {"green": 100}, "duration": "PT1M"}
    plan = RolloutPlan.model_validate({"steps": [step], "limits": {"errorRate": 0.1}})
    made = Rollout(
        id="r1", plan=plan, before={"blue": 100}, step_since=NOW, started_at=NOW, started_by="me"
    )
    return made.but(**changes)


def types(told: list[Fact]) -> list[str]:
    return [fact.type.name for fact in told]


def test_traffic_that_moves_is_told_with_what_it_was() -> None:
    moved = endpoint(properties=OnlineEndpointProperties(traffic={"green": 100, "blue": 0}))
    [told] = traffic_moved(endpoint(), moved)
    assert told.type is EventType.TRAFFIC_CHANGED
    assert told.data["traffic"] == {"green": 100}
    assert told.data["trafficBefore"] == {"blue": 100}
    assert traffic_moved(moved, moved.but(route_version=9)) == []


def test_a_rollout_is_told_from_its_start_to_its_end() -> None:
    begun = endpoint(rollout=rollout())
    assert types(traffic_moved(endpoint(), begun)) == ["ROLLOUT_STARTED"]
    assert traffic_moved(begun, begun.but(route_version=2)) == []
    for state, name in (
        (RolloutState.ROLLED_BACK, "ROLLOUT_ROLLED_BACK"),
        (RolloutState.COMPLETED, "ROLLOUT_COMPLETED"),
        (RolloutState.ENDED, "ROLLOUT_ENDED"),
    ):
        over = begun.but(rollout=rollout().over(state, "why", NOW))
        [told] = traffic_moved(begun, over)
        assert (told.type.name, told.data["reason"]) == (name, "why")
        assert traffic_moved(over, over.but(route_version=3)) == []
    other = begun.but(rollout=rollout(id="r2"))
    assert types(traffic_moved(begun, other)) == ["ROLLOUT_ENDED", "ROLLOUT_STARTED"]
