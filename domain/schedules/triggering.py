"""Doing what a schedule does, now."""

from typing import final
from uuid import uuid4

from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.records.batch_job import BatchJob
from domain.ports import Clock, Principal
from domain.schedules.schedule import Firing
from domain.schedules.schedules import Schedules
from domain.schedules.scheduling import job_of


@final
class ScheduleTriggering:
    """Beside its due times, which stay as they are, and whether or not it is enabled."""

    def __init__(self, schedules: Schedules, invocation: JobInvocation, clock: Clock) -> None:
        self._schedules = schedules
        self._invocation = invocation
        self._clock = clock

    async def trigger(self, name: str, caller: Principal) -> BatchJob:
        """The job. Raises NotFound, and what an invocation raises."""
        found = (await self._schedules.get(name)).resource
        definition = found.properties.action.endpoint_invocation_definition
        firing = Firing(trigger_time=self._clock.now(), definition=definition)
        asked = job_of(found.name, f"{found.name}-{uuid4().hex[:12]}", firing)
        invoked = await self._invocation.invoke(
            definition.endpoint_name, asked, caller=caller, deployment=definition.deployment_name
        )
        return invoked.job
