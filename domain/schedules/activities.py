"""What is done with schedules, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.ground.driving.sweeping import Resume
from domain.schedules import schedule
from domain.schedules.schedules import Schedules
from domain.schedules.scheduling import Scheduling
from domain.schedules.triggering import ScheduleTriggering


@dataclass(frozen=True)
class ScheduleActivities:
    collection: Schedules
    triggering: ScheduleTriggering
    scheduling: Scheduling

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return {schedule.STATE_KIND: self.scheduling.resume}
