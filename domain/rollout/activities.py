"""What is done with changes of traffic, as one record for the triggers to share."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.ground.driving.sweeping import Resume
from domain.online.traffic import rollout_changes
from domain.rollout.mirroring import Mirroring
from domain.rollout.rollout_guarding import RolloutGuarding
from domain.rollout.rollout_tally import RolloutTally
from domain.rollout.shadow_reporting import ShadowReporting
from domain.scoring.exchange_taps import Tap


@dataclass(frozen=True)
class RolloutActivities:
    guarding: RolloutGuarding
    shadow_reports: ShadowReporting
    tally: RolloutTally
    mirroring: Mirroring

    @property
    def taps(self) -> Sequence[Tap]:
        """Who listens to scoring requests, to judge deployments by them."""
        return self.tally, self.mirroring

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return {rollout_changes.ALARM_KIND: self.guarding.resume}
