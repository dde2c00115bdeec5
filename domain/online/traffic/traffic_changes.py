"""What a PUT or PATCH of an online endpoint does to its traffic and its rollout."""

from datetime import datetime

from domain.online.online_endpoint import OnlineEndpoint, OnlineEndpointProperties
from domain.online.traffic.rollout import RolloutState
from domain.online.traffic.rollout_changes import begun, with_rollout
from domain.online.traffic.traffic import Percentages


def went_before(asked: OnlineEndpointProperties, old: OnlineEndpoint) -> Percentages:
    """The traffic that a rollout goes back to: what is given beside it, and where that is
    only what the running one has come to, what that one began from."""
    running = old.rollout is not None and old.rollout.running
    if running and old.rollout and _same(asked.traffic, old.properties.traffic):
        return old.rollout.before
    return asked.traffic


def moved_traffic(
    asked: OnlineEndpointProperties, old: OnlineEndpoint, caller: str, now: datetime
) -> dict[str, object]:
    """What becomes of traffic and rollout. A new plan begins; the one that runs goes on
    while neither it nor the traffic is changed, and is over otherwise."""
    rollout = old.rollout
    running = rollout is not None and rollout.running
    unmoved = _same(asked.traffic, old.properties.traffic)
    if asked.rollout is not None and not (running and asked.rollout == old.properties.rollout):
        rollout = begun(asked.rollout, went_before(asked, old), caller, now)
        new = with_rollout(old.but(properties=asked), rollout, now)
        return {n: getattr(new, n) for n in ("properties", "rollout", "traffic_before")}
    changes: dict[str, object] = {}
    if not unmoved:
        changes["traffic_before"] = old.properties.traffic
    if rollout is not None and running and not (unmoved and asked.rollout is not None):
        why = "took its steps away" if unmoved else "changed the traffic by hand"
        told = f"{caller} {why} in step {rollout.step + 1}."
        changes["rollout"] = rollout.over(RolloutState.ENDED, told, now)
        changes["properties"] = asked.but(rollout=None)
        changes["traffic_before"] = rollout.before
    return changes


def _same(one: Percentages, other: Percentages) -> bool:
    def live(split: Percentages) -> dict[str, int]:
        return {name.casefold(): percent for name, percent in split.items() if percent}

    return live(one) == live(other)
