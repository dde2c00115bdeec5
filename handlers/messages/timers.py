"""What happens by the clock."""

from typing import Any

import azure.functions as func

from domain.ground.driving.sweeping import Sweeping
from domain.jobs.job_retention import JobRetention
from domain.jobs.units.job_workers import JobWorkers
from domain.provisioning.restorer import Restorer
from domain.scaling.scaling import Scaling
from handlers.tracing import traced_event

EVERY_HOUR = "0 41 * * * *"
EVERY_TICK = "* * * * * *"
"""Of domain.scaling.scaling.TICK."""


def blueprint(
    sweeping: Sweeping,
    online: Restorer[Any, Any],
    batch: Restorer[Any, Any],
    workers: JobWorkers,
    scaling: Scaling,
    retention: JobRetention,
    *,
    sweep_schedule: str,
    restore_schedule: str,
) -> func.Blueprint:
    bp = func.Blueprint()

    @bp.function_name("sweep")
    @bp.timer_trigger(arg_name="timer", schedule=sweep_schedule, run_on_startup=True)
    @traced_event
    async def sweep(timer: func.TimerRequest) -> None:
        await sweeping.sweep()

    @bp.function_name("restore_deployments")
    @bp.timer_trigger(arg_name="timer", schedule=restore_schedule, run_on_startup=True)
    @traced_event
    async def restore_deployments(timer: func.TimerRequest) -> None:
        await online.restore()
        await batch.restore()
        await workers.clear()

    @bp.function_name("expire_jobs")
    @bp.timer_trigger(arg_name="timer", schedule=EVERY_HOUR, run_on_startup=True)
    @traced_event
    async def expire_jobs(timer: func.TimerRequest) -> None:
        await retention.expire()

    @bp.function_name("scale_deployments")
    @bp.timer_trigger(arg_name="timer", schedule=EVERY_TICK)
    @traced_event
    async def scale_deployments(timer: func.TimerRequest) -> None:
        await scaling.tick()

    return bp
