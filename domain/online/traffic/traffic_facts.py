"""What is told of an online endpoint's traffic and rollouts."""

from collections.abc import Mapping

from domain.ground.facts import EventType, Fact
from domain.ground.resource import TrackedResource
from domain.online.online_endpoint import OnlineEndpoint
from domain.online.traffic.rollout import RolloutState
from domain.ports import Json

_OVER = {
    RolloutState.COMPLETED: EventType.ROLLOUT_COMPLETED,
    RolloutState.ROLLED_BACK: EventType.ROLLOUT_ROLLED_BACK,
    RolloutState.ENDED: EventType.ROLLOUT_ENDED,
}


def traffic_moved(old: TrackedResource | None, new: TrackedResource) -> list[Fact]:
    """What an online endpoint's traffic and rollout have become; nothing for other kinds."""
    if not isinstance(new, OnlineEndpoint):
        return []
    was = old if isinstance(old, OnlineEndpoint) else None
    return [fact.but(generation=new.generation) for fact in _moved(was, new)]


def _moved(was: OnlineEndpoint | None, new: OnlineEndpoint) -> list[Fact]:
    subject = f"onlineEndpoints/{new.name}"
    facts: list[Fact] = []
    before = _live(was.properties.traffic) if was else {}
    traffic = _live(new.properties.traffic)
    if before != traffic:
        data = {"endpoint": new.name, "traffic": traffic, "trafficBefore": before}
        facts.append(Fact(type=EventType.TRAFFIC_CHANGED, subject=subject, data=data))
    rollout, known = new.rollout, was.rollout if was else None
    if rollout is None:
        return facts
    is_new = known is None or known.id != rollout.id
    if is_new and known is not None and known.running and was is not None:
        # A new plan takes the place of one that was under way.
        data = {"endpoint": new.name, "rollout": known.id, "reason": "Another rollout began."}
        facts.append(Fact(type=EventType.ROLLOUT_ENDED, subject=subject, data=data))
    told: Json = {"endpoint": new.name, "rollout": rollout.id, "traffic": traffic}
    if is_new:
        facts.append(Fact(type=EventType.ROLLOUT_STARTED, subject=subject, data=told))
    if not rollout.running and (is_new or known is None or known.running):
        told = {**told, "step": rollout.step, "reason": rollout.reason}
        facts.append(Fact(type=_OVER[rollout.state], subject=subject, data=told))
    return facts


def _live(traffic: Mapping[str, int]) -> dict[str, int]:
    return {name: percent for name, percent in traffic.items() if percent}
