"""How many instances an autoscaled deployment has, and why.

A document of its own beside the deployment's: the autoscaler writes without disturbing the
deployment's ETag, and a PUT of the deployment finds the scaled count as it was.
"""

from datetime import datetime, timedelta
from typing import Self

from domain.ports import Document, Json
from domain.values import Value

KIND = "deploymentScale"
ASLEEP_KIND = "sleepingDeploymentScale"
"""Of one that has no instance and is to have none: apart, so that who asks for the others does
not walk past those that sleep."""
_PREFIX = "scale:"


def scale_id(deployment: str) -> str:
    return f"{_PREFIX}{deployment.casefold()}"


class ScaleBounds(Value):
    """Between how many instances a deployment is kept, by which utilization (a percentage
    of the concurrent requests that the instances take). With no instance at the least, it
    sleeps while nobody asks for it."""

    min_instances: int
    max_instances: int
    target_utilization_percentage: int
    polling_interval: timedelta

    @property
    def may_sleep(self) -> bool:
        return self.min_instances == 0

    def clamped(self, instances: int) -> int:
        return min(max(instances, self.min_instances), self.max_instances)


class ScaleDecision(Value):
    """`utilization` is a share of what the instances take; None where none was measured."""

    at: datetime
    before: int
    after: int
    utilization: float | None = None
    reason: str


class DeploymentScale(Value):
    """`instances` is what is wanted now. `calm_since` is when fewer began to be enough, and
    `calm_peak` the most that were needed since. `of` tells this deployment from an earlier
    one of the same name."""

    endpoint: str
    deployment: str
    of: datetime
    workers: int
    bounds: ScaleBounds
    instances: int
    calm_since: datetime | None = None
    calm_peak: int = 0
    last_decision: ScaleDecision | None = None

    def decided(
        self, now: datetime, instances: int, reason: str, utilization: float | None = None
    ) -> Self:
        """With another count, from now on."""
        decision = ScaleDecision(
            at=now,
            before=self.instances,
            after=instances,
            utilization=None if utilization is None else round(utilization, 3),
            reason=reason,
        )
        return self.but(instances=instances, calm_since=None, calm_peak=0, last_decision=decision)

    def is_due(self, now: datetime, tick: timedelta) -> bool:
        """Whether a polling interval has begun within the last `tick`."""
        interval = self.bounds.polling_interval.total_seconds()
        end = now.timestamp()
        return int(end / interval) != int((end - tick.total_seconds()) / interval)

    def until_due(self, now: datetime) -> timedelta:
        """Until the next polling interval begins."""
        interval = self.bounds.polling_interval.total_seconds()
        return timedelta(seconds=interval - now.timestamp() % interval)


def to_body(scale: DeploymentScale) -> Json:
    """The autoscaler asks the store for one kind: who sleeps costs it nothing."""
    kind = KIND if scale.instances else ASLEEP_KIND
    return {"kind": kind, "scale": scale.to_document()}


def from_document(document: Document) -> DeploymentScale:
    return DeploymentScale.from_document(document.body["scale"])
