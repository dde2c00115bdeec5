"""What telemetry is told of batch jobs: each that has ended, by the logger `ml_endpoints.jobs`.
Where there is no telemetry nobody listens: the log of the host has their course."""

import logging
from typing import Final

from domain.jobs.records.batch_job import BatchJob

LOGGER: Final = "ml_endpoints.jobs"
EVENT: Final = "JobRecord"
"""The name under which Application Insights has them, among its custom events."""
FIELDS: Final = (
    *("name", "endpoint", "deployment", "status", "code", "error", "createdBy", "createdAt"),
    *("startedAt", "endedAt", "durationMs", "workers", "files", "miniBatches", "retryOf"),
)
"""Each an attribute `job.` and its name; what a job does not have is left out."""

_log = logging.getLogger(LOGGER)
_log.propagate = False
_log.setLevel(logging.INFO)


def tell(job: BatchJob) -> None:
    """Call it once a job has ended, after that is saved."""
    if not _log.handlers:
        return
    told = zip(FIELDS, _values(job), strict=True)
    _log.info(
        "Job %s of %s: %s",
        job.name,
        job.endpoint,
        job.status.value,
        extra={
            "microsoft.custom_event.name": EVENT,
            **{f"job.{name}": value for name, value in told if value is not None},
        },
    )


def _values(job: BatchJob) -> tuple[object | None, ...]:
    ended = job.ended_at or job.created_at
    seconds = (ended - (job.started_at or ended)).total_seconds()
    error, plan = job.error, job.plan
    return (
        *(job.name, job.endpoint, job.deployment, job.status.value),
        *((None, None) if error is None else (error.code, error.message.partition("\n")[0])),
        *(job.created_by, job.created_at.isoformat()),
        None if job.started_at is None else job.started_at.isoformat(),
        *(ended.isoformat(), round(seconds * 1000), job.workers),
        *((None, None) if plan is None else (plan.whole_and_cut_files, plan.mini_batches)),
        None if job.retry is None else job.retry.job,
    )
