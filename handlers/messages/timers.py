"""What happens by the clock."""

from dataclasses import dataclass
from typing import Any

import azure.functions as func

from domain.figures.deployment_measuring import DeploymentMeasuring
from domain.ground.driving.sweeping import Sweeping
from domain.jobs.job_retention import JobRetention
from domain.jobs.units.job_workers import JobWorkers
from domain.ledger.stored.stored_counting import StoredCounting
from domain.provisioning.restorer import Restorer
from domain.scaling.scale_watching import ScaleWatching
from domain.scaling.scaling import TICK, Scaling
from domain.usage.secret_renewing import SecretRenewing
from handlers.tracing import traced_event

EVERY_HOUR = "0 41 * * * *"
EVERY_HALF_MINUTE = "*/30 * * * * *"
EVERY_TICK = "* * * * * *"
"""Of domain.scaling.scaling.TICK."""


@dataclass(frozen=True)
class Schedules:
    """`at_start`: what is due by the clock is done when a host starts, too. `with_scaling`: the
    clock has autoscaled deployments looked at, and instances measured; else messages do, and
    what restores deployments."""

    sweep: str
    restore: str
    at_start: bool
    with_scaling: bool


def blueprint(
    sweeping: Sweeping,
    online: Restorer[Any, Any],
    batch: Restorer[Any, Any],
    workers: JobWorkers,
    scaling: Scaling,
    watching: ScaleWatching,
    retention: JobRetention,
    measuring: DeploymentMeasuring,
    renewing: SecretRenewing,
    stored: StoredCounting,
    schedules: Schedules,
) -> func.Blueprint:
    bp = func.Blueprint()
    at_start = schedules.at_start

    @bp.function_name("sweep")
    @bp.timer_trigger(arg_name="timer", schedule=schedules.sweep, run_on_startup=at_start)
    @traced_event
    async def sweep(timer: func.TimerRequest) -> None:
        await sweeping.sweep()
        if not schedules.with_scaling:
            await watching.begin()

    @bp.function_name("restore_deployments")
    @bp.timer_trigger(arg_name="timer", schedule=schedules.restore, run_on_startup=at_start)
    @traced_event
    async def restore_deployments(timer: func.TimerRequest) -> None:
        await online.restore()
        await batch.restore()
        await workers.clear()
        if not schedules.with_scaling:
            await measuring.look()

    @bp.function_name("expire_jobs")
    @bp.timer_trigger(arg_name="timer", schedule=EVERY_HOUR, run_on_startup=at_start)
    @traced_event
    async def expire_jobs(timer: func.TimerRequest) -> None:
        await renewing.renew()
        await retention.expire()
        await stored.count()

    if schedules.with_scaling:
        _add_looks(bp, scaling, measuring)
    return bp


def _add_looks(bp: func.Blueprint, scaling: Scaling, measuring: DeploymentMeasuring) -> None:
    @bp.function_name("measure_deployments")
    @bp.timer_trigger(arg_name="timer", schedule=EVERY_HALF_MINUTE)
    @traced_event
    async def measure_deployments(timer: func.TimerRequest) -> None:
        await measuring.look()

    @bp.function_name("scale_deployments")
    @bp.timer_trigger(arg_name="timer", schedule=EVERY_TICK)
    @traced_event
    async def scale_deployments(timer: func.TimerRequest) -> None:
        await scaling.tick(TICK)
