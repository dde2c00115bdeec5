"""How many instances a deployment should have, from what its instances say of themselves.

Utilization is (running + waiting requests) / (requests that the instances take at once).
More instances come as soon as the target is passed; fewer only after it has been calm for
CALM_PERIODS polling intervals, and then as many as the busiest moment of that time needed. To
no instance at all it goes only by idleness: a deployment that was asked for lately stays up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.online.deployment_scale import DeploymentScale

CALM_PERIODS = 20

_SLACK = 0.02
"""An average that fades never quite comes down to a round figure."""


@dataclass(frozen=True)
class Load:
    """What `workers` processes that answer at one address say of themselves. `requests` (running
    and waiting) is a mean over the last second. Raises ValueError for what cannot be."""

    requests: float
    capacity: int
    idle: timedelta
    workers: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.requests) and self.requests >= 0 and self.capacity > 0):
            raise ValueError(f"{self.requests} requests of {self.capacity} at once")


def decide(
    scale: DeploymentScale, loads: Sequence[Load], now: datetime, idle_time: timedelta
) -> DeploymentScale:
    """`scale` as it should be: with another count and the reason, with what is to be
    remembered of a calm time, or just as it is."""
    if not loads:
        return scale  # none is up yet: there is nothing to measure
    bounds, current = scale.bounds, scale.instances
    idle = min(load.idle for load in loads)
    if bounds.may_sleep and idle >= idle_time:
        told = f"nobody has asked for it in {idle.total_seconds():.0f} s"
        return scale.decided(now, 0, f"{told}; it sleeps after {idle_time.total_seconds():g} s", 0)
    capacity = sum(load.capacity for load in loads)
    utilization = sum(load.requests for load in loads) / capacity
    target = bounds.target_utilization_percentage / 100
    up = sum(load.workers for load in loads) / scale.workers
    needed = max(1, bounds.clamped(math.ceil(up * utilization / target - _SLACK)))
    said = f"{utilization:.0%} of what {up:g} instance{'' if up == 1 else 's'} take"
    if needed > current:
        reason = f"{said} is over the target of {target:.0%}: {needed} are needed"
        return scale.decided(now, needed, reason, utilization)
    if needed == current:
        return scale if scale.calm_since is None else scale.but(calm_since=None, calm_peak=0)
    if scale.calm_since is None:
        return scale.but(calm_since=now, calm_peak=needed)
    peak = max(scale.calm_peak, needed)
    calm = now - scale.calm_since
    if calm >= bounds.polling_interval * CALM_PERIODS:
        reason = f"{said}: {peak} have been enough for {calm.total_seconds():.0f} s"
        return scale.decided(now, peak, reason, utilization)
    return scale if peak == scale.calm_peak else scale.but(calm_peak=peak)
