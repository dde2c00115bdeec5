"""How far a job is, as text: for its own log and for the host's."""

import math
from datetime import datetime, timedelta

from domain.ground.operation import ErrorRecord
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.job_progress import Progress
from domain.jobs.records.job_status import JobStatus

_A_YEAR = 365 * 86400.0
_TENTHS = 10


def overview(
    job: BatchJob,
    progress: Progress,
    status: JobStatus,
    error: ErrorRecord | None,
    now: datetime,
) -> str:
    """Of a job that runs, or ends now. Lines are only added at its end from one time to the next,
    for whoever follows it and shows those that are new."""
    tally = progress.tally
    untouched = progress.mini_batches - tally.succeeded_mini_batches - tally.failed_mini_batches
    ended = status.is_terminal
    lines = [
        f"job                {job.name}",
        *([f"retry of           {job.retry.job}"] if job.retry else []),
        f"endpoint           {job.endpoint}, deployment {job.deployment}",
        f"status             {status.value}",
        f"error              {error.message if error else '-'}",
        f"created            {job.created_at.isoformat()}",
        f"started            {job.started_at.isoformat() if job.started_at else '-'}",
        f"{'ended' if ended else 'as of'}              {now.isoformat()}",
        *(f"input              {each.shown_uri}" for each in job.inputs),
        *_files(job, progress),
        f"mini-batches       {progress.mini_batches}: {tally.succeeded_mini_batches} succeeded, "
        f"{tally.failed_mini_batches} failed, {untouched} not run",
        f"rows               {tally.rows}",
        f"pace               {'-' if ended else _pace(progress, now)}",
        f"output             {job.results.container}/{job.results.path}",
        *_milestones(progress),
    ]
    if ended:
        lines.append(f"{status.value}{f': {error.message}' if error else ''}")
    return "\n".join(lines) + "\n"


def _milestones(progress: Progress) -> list[str]:
    """One for each tenth of the mini-batches that are done."""
    total = progress.mini_batches
    done = progress.tally.succeeded_mini_batches + progress.tally.failed_mini_batches
    tenths = sorted({math.ceil(total * tenth / _TENTHS) for tenth in range(1, _TENTHS + 1)})
    return [f"{each} of {total} mini-batches done" for each in tenths if 0 < each <= done]


def _files(job: BatchJob, progress: Progress) -> list[str]:
    """Whole files, and apart from them the pieces of others."""
    tally, plan = progress.tally, job.plan
    pieces, cut = (plan.pieces, plan.cut_files) if plan else (0, 0)
    whole = (
        f"files              {progress.files - pieces}: "
        f"{tally.succeeded_files - tally.succeeded_pieces} succeeded, "
        f"{tally.failed_files - tally.failed_pieces} failed"
    )
    if not pieces:
        return [whole]
    return [
        whole,
        f"pieces of files    {pieces}, of {cut} files: {tally.succeeded_pieces} succeeded, "
        f"{tally.failed_pieces} failed",
    ]


def told(progress: Progress, now: datetime) -> str:
    """In one line."""
    tally = progress.tally
    done = tally.succeeded_mini_batches + tally.failed_mini_batches
    return (
        f"{done} of {progress.mini_batches} mini-batches done, {tally.failed_files} files failed, "
        f"{_pace(progress, now)}"
    )


def _pace(progress: Progress, now: datetime) -> str:
    pace = progress.pace(now.timestamp())
    if pace is None:
        return "no pace known yet"
    rates = (
        f"{pace.mini_batches_per_second:.3g} mini-batches and "
        f"{pace.files_per_second:.3g} files a second"
    )
    if pace.seconds_left > _A_YEAR:
        return rates
    end = now + timedelta(seconds=round(pace.seconds_left))
    return f"{rates}, done by about {end.isoformat(timespec='seconds')}"
