"""What is done with alerts, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.alerts.metric_alerts import MetricAlerts
from domain.ground.driving.sweeping import Resume


@dataclass(frozen=True)
class AlertActivities:
    metric: MetricAlerts

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return self.metric.owners
