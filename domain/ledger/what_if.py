"""What would come of a change of an online deployment: what is restarted, and what it costs."""

from dataclasses import dataclass

from domain.ledger.cost_estimating import CostEstimating, Estimate
from domain.online.online_deployment import OnlineDeployment, running_revision

_REPLACED = "Its instances are replaced: new ones start beside those that serve, and take over."
_FIRST = "Its instances are started."
_SCALED = "Instances are started or ended; those that go on are not restarted."
_NONE = "Nothing is restarted."


@dataclass(frozen=True)
class Consequences:
    """`effect` is a sentence of it. An estimate is None for one that is not there."""

    restarts: bool
    effect: str
    before: Estimate | None
    after: Estimate | None


class WhatIf:
    def __init__(self, estimating: CostEstimating) -> None:
        self._estimating = estimating

    async def of(
        self, before: OnlineDeployment | None, after: OnlineDeployment | None
    ) -> Consequences:
        """None for one that is not there, or goes."""
        effect, restarts = _effect(before, after)
        return Consequences(
            restarts,
            effect,
            await self._estimate(before),
            await self._estimate(after),
        )

    async def _estimate(self, deployment: OnlineDeployment | None) -> Estimate | None:
        if deployment is None:
            return None
        asked = deployment.properties.instance_type
        return await self._estimating.of(asked, deployment.instance_count)


def _effect(before: OnlineDeployment | None, after: OnlineDeployment | None) -> tuple[str, bool]:
    if after is None:
        return "Its instances are ended, once their requests have.", False
    if before is None:
        return _FIRST, False
    if running_revision(before) != running_revision(after):
        return _REPLACED, True
    if before.instance_count != after.instance_count:
        return _SCALED, False
    return _NONE, False
