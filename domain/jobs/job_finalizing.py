"""The end of a job: results joined, reports written, compute given back."""

from dataclasses import dataclass
from datetime import timedelta

from domain.errors import Conflict, DomainError, Invalid
from domain.ground.operation import ErrorRecord
from domain.jobs.finishing.job_reports import JobReports
from domain.jobs.finishing.parquet_folder import ParquetFolder
from domain.jobs.finishing.result_aggregation import ResultAggregation
from domain.jobs.finishing.result_rows import ResultRows
from domain.jobs.invoking.job_outputs import OutputReservations
from domain.jobs.records.batch_job import TOLD_BY_RECORDS, BatchJob, ending_of
from domain.jobs.records.job_progress import Progress
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.output_ownership import OutputDisturbed, obstructed
from domain.jobs.retrying.retry_joining import RetryJoining
from domain.ports import Clock, Workers

_GRACE = timedelta(seconds=5)


@dataclass(frozen=True)
class Ended:
    """How a job ends, and its final progress."""

    status: JobStatus
    progress: Progress
    error: ErrorRecord | None


@dataclass(frozen=True)
class Unfinished:
    """There is more to join for a retry than one step may take: `joined` is done by now."""

    joined: int


class JobFinalizing:
    """Everything here may be done again after a crash, with the same result."""

    def __init__(
        self,
        clock: Clock,
        workers: Workers,
        *,
        aggregation: ResultAggregation,
        folder: ParquetFolder,
        joining: RetryJoining,
        reports: JobReports,
        reservations: OutputReservations,
    ) -> None:
        self._clock = clock
        self._workers = workers
        self._aggregation = aggregation
        self._folder = folder
        self._joining = joining
        self._reports = reports
        self._reservations = reservations

    async def finish(
        self, job: BatchJob, progress: Progress, error: ErrorRecord | None
    ) -> Ended | Unfinished:
        """Join what is recorded, write the reports, and say how the job ends: as `error` has
        it, or as the records do once units that cannot be joined have failed."""
        joinable = await self._aggregation.read(job, progress)
        final = joinable.progress
        if job.status is JobStatus.CANCEL_REQUESTED:
            status = JobStatus.CANCELED
        else:
            error = error or ending_of(final).error
            status = JobStatus.FAILED if error else JobStatus.COMPLETED
            if error and error.code in TOLD_BY_RECORDS:
                why = await self._reports.first_failure(job, joinable.rows)
                error = error.but(message=f"{error.message} {why}") if why else error
        if job.writes_rows:
            try:
                joined = await self._commit(job, joinable.rows, status)
                if joined is not None:
                    return Unfinished(joined)
            except (OutputDisturbed, Invalid) as fault:
                if status is not JobStatus.CANCELED:
                    status, error = JobStatus.FAILED, error or _record(fault)
        try:
            await self._reports.write(job, final, joinable.rows, status, error, self._clock.now())
        except Conflict as refusal:
            if status is not JobStatus.CANCELED:
                status, error = JobStatus.FAILED, error or _record(obstructed(refusal))
            await self._reports.write_overview(job, final, status, self._clock.now(), error)
        if job.status is not JobStatus.CANCEL_REQUESTED:
            await self._reports.write_worker_log(job)
            await self._reports.write_environment_log(job)
        return Ended(status, final, error)

    async def _commit(self, job: BatchJob, rows: ResultRows, status: JobStatus) -> int | None:
        """None once all is there, else what a retry has joined by now."""
        partial = status is not JobStatus.COMPLETED
        if rows.parts or not partial:
            if job.writes_parts:
                await self._folder.commit(job, rows, partial=partial)
            else:
                await self._aggregation.commit(job, rows, partial=partial)
        planned = job.planned_retry
        if planned is None:
            return None
        return await self._joining.join(job, planned, rows, partial=partial)

    async def release(self, job: BatchJob) -> bool:
        """Give the compute and the output's reservation back. True once nothing is left; to
        be called again until then."""
        if job.ending is None or job.status is JobStatus.CANCEL_REQUESTED:
            # Nothing has been finished yet, so nobody has kept what the workers printed.
            await self._reports.write_worker_log(job)
            await self._reports.write_environment_log(job)
            await self._reports.write_error(job)
        grace = _GRACE if job.ending is None or job.ending.error is None else timedelta(0)
        if job.status is JobStatus.CANCEL_REQUESTED:
            grace = timedelta(0)
        gone = await self._workers.remove(job.workload_key, grace=grace)
        if gone:
            await self._reservations.free(job)
        return gone


def _record(error: DomainError) -> ErrorRecord:
    return ErrorRecord(code=error.code, message=error.message, target=error.target)
