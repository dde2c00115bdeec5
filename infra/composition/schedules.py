"""Schedules, and the jobs that they start."""

from datetime import timedelta

from domain.jobs.invoking.job_invocation import JobInvocation
from domain.schedules.activities import ScheduleActivities
from domain.schedules.schedule_state import ScheduleMessages
from domain.schedules.schedules import Schedules
from domain.schedules.scheduling import Scheduling
from domain.schedules.triggering import ScheduleTriggering
from infra.composition.ground import Ground
from infra.settings.features import ScheduleSettings


def compose_schedules(
    ground: Ground, settings: ScheduleSettings, *, invocation: JobInvocation
) -> ScheduleActivities:
    a = ground.adapters
    messages = ScheduleMessages(a.queue, a.clock)
    collection = Schedules(a.store, a.clock, messages, ground.location)
    return ScheduleActivities(
        collection=collection,
        triggering=ScheduleTriggering(collection, invocation, a.clock),
        scheduling=Scheduling(
            a.store,
            a.queue,
            a.clock,
            messages,
            invocation=invocation,
            misfire_window=timedelta(seconds=settings.misfire_window),
        ),
    )
