"""What is done with changes of traffic, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.ground.sweeping import Resume
from domain.online import rollout_changes
from domain.rollout.guarded_rollout import GuardedRollout
from domain.rollout.shadow_reporting import ShadowReporting


@dataclass(frozen=True)
class RolloutActivities:
    guarding: GuardedRollout
    shadow_reports: ShadowReporting

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return {rollout_changes.ALARM_KIND: self.guarding.resume}
