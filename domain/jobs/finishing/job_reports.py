"""What a job leaves beside its rows: the manifest of failed files, a marker on partial output,
and its logs in the folders Azure ML uses.

All are written whole, from the records, so that writing them again changes nothing.
"""

import json
import logging
from collections.abc import AsyncIterator
from datetime import datetime

from domain.errors import Conflict
from domain.ground.operation import ErrorRecord
from domain.jobs.finishing.result_aggregation import records
from domain.jobs.finishing.result_rows import ResultRows
from domain.jobs.finishing.unit_failures import Cause, Failure, failures
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import FailedMiniBatch
from domain.jobs.records.job_overview import overview
from domain.jobs.records.job_plan import Plan, PlannedFile, PlanReader
from domain.jobs.records.job_progress import Progress
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_store import unit_of
from domain.ports import BlobStore, LogKind, ResourceStore, Workers

_logger = logging.getLogger("ml_endpoints.batch")

_PIECE = 256 * 1024
_LOG_LINES = 5000
WORKERS_LOG = "user/stdout/workers.txt"
ENVIRONMENT_LOG = "user/stdout/environment.txt"
"""Below a job's folder of logs."""
_LOG_BYTES = 4 * 1024 * 1024
_ERRORS_SHOWN = 200
_SHOWN = 500
_JSON_LINES = "application/x-ndjson"
_TEXT = "text/plain; charset=utf-8"


class JobReports:
    def __init__(self, store: ResourceStore, blobs: BlobStore, workers: Workers) -> None:
        self._store = store
        self._blobs = blobs
        self._workers = workers
        self._plans = PlanReader(blobs)

    async def write(
        self,
        job: BatchJob,
        progress: Progress,
        rows: ResultRows,
        status: JobStatus,
        error: ErrorRecord | None,
        now: datetime,
    ) -> None:
        """Write what belongs to a job that ends as `status`. Raises Conflict when something is
        in the way of what stands beside its output."""
        failed = job.plan is not None and progress.tally.failed_files
        if failed or error is not None:
            await self._log(job, "user/error.txt", _joined(self._errors(job, rows, error)))
        if job.plan is not None and failed:
            lines = self._manifest(job, job.plan, rows)
            await self._write(job, job.results.failures_path, _joined(lines), _JSON_LINES)
        if status is not JobStatus.COMPLETED:
            marker = _partial(job, progress, status, error)
            await self._write(job, job.results.partial_marker_path, marker, "application/json")
        await self.write_overview(job, progress, status, now, error)

    async def write_error(self, job: BatchJob) -> None:
        """Why a job has failed of which there are no records to report."""
        if job.error is not None:
            await self._log(job, "user/error.txt", _told(job.error).encode())

    async def write_overview(
        self,
        job: BatchJob,
        progress: Progress,
        status: JobStatus,
        now: datetime,
        error: ErrorRecord | None = None,
    ) -> None:
        """How far the job is, for whoever reads its logs."""
        text = overview(job, progress, status, error, now).encode()
        await self._log(job, "job_progress_overview.txt", text)

    async def first_failure(self, job: BatchJob, rows: ResultRows) -> str | None:
        """The first failed mini-batch in input order, in one sentence; None if none failed."""
        if job.plan is None:
            return None
        async for document in records(self._store, job.name):
            unit = unit_of(document).unit
            for failed in failures(job.plan, unit, rows.fault(unit)):
                numbers = range(failed.ordinal, failed.ordinal + 1)
                [files] = await self._plans.files(job.name, job.plan, numbers)
                found = failed.causes(files)
                file, cause = found[0]
                others = f" and {len(found) - 1} more" if len(found) > 1 else ""
                first = f"{file.name[:200]}{_row_range(file)}"
                return f"First to fail: {first}{others}: {cause.error[:_SHOWN]}"
        return None

    async def write_worker_log(self, job: BatchJob) -> None:
        """What the workers printed, kept once they are gone."""
        await self._keep(job, LogKind.INFERENCE_SERVER, WORKERS_LOG)

    async def write_environment_log(self, job: BatchJob) -> None:
        """How the workers came about, or why there were none."""
        await self._keep(job, LogKind.STORAGE_INITIALIZER, ENVIRONMENT_LOG)

    async def _keep(self, job: BatchJob, kind: LogKind, name: str) -> None:
        text = await self._workers.logs(job.workload_key, kind, tail=_LOG_LINES)
        if text:
            await self._log(job, name, text.encode()[-_LOG_BYTES:])

    async def _log(self, job: BatchJob, name: str, content: AsyncIterator[bytes] | bytes) -> None:
        """Write one of the job's logs. What a user put in its way is no reason for a job not to
        go on, or not to end."""
        try:
            await self._write(job, f"{job.logs_folder}/{name}", content, _TEXT)
        except Conflict as refusal:
            about = {"action": "job_log_unwritten", "job": job.name}
            _logger.warning("Job %s has no %s: %s", job.name, name, refusal.message, extra=about)

    async def _write(
        self, job: BatchJob, name: str, content: AsyncIterator[bytes] | bytes, content_type: str
    ) -> None:
        await self._blobs.write(job.output.container, name, content, content_type=content_type)

    async def _manifest(self, job: BatchJob, plan: Plan, rows: ResultRows) -> AsyncIterator[str]:
        async for document in records(self._store, job.name):
            unit = unit_of(document).unit
            for failed in failures(plan, unit, rows.fault(unit)):
                numbers = range(failed.ordinal, failed.ordinal + 1)
                [files] = await self._plans.files(job.name, plan, numbers)
                for file, cause in failed.causes(files):
                    yield json.dumps(
                        {
                            "file": file.name,
                            **_rows_of(file),
                            "mini_batch": failed.ordinal,
                            "attempts": cause.tries,
                            "error": cause.error,
                            "log_excerpt": cause.log_excerpt,
                        },
                        ensure_ascii=False,
                    )

    async def _errors(
        self, job: BatchJob, rows: ResultRows, error: ErrorRecord | None
    ) -> AsyncIterator[str]:
        if error is not None:
            yield _told(error)
        if job.plan is None:
            return
        shown = 0
        async for document in records(self._store, job.name):
            unit = unit_of(document).unit
            for failed in failures(job.plan, unit, rows.fault(unit)):
                for cause in failed.told:
                    shown += 1
                    if shown > _ERRORS_SHOWN:
                        yield f"The first {_ERRORS_SHOWN} failures are shown."
                        return
                    yield f"{_what(failed, cause)}, tried {cause.tries} times: {cause.error}"
                    if cause.log_excerpt:
                        yield cause.log_excerpt.rstrip("\n") + "\n"


def _told(error: ErrorRecord) -> str:
    return f"{error.code}: {error.message.rstrip()}\n"


def _what(failure: Failure, cause: Cause) -> str:
    mini_batch = f"mini-batch {failure.ordinal}"
    if isinstance(cause, FailedMiniBatch):
        return mini_batch
    if cause.count == 1:
        return f"{mini_batch}, file {cause.first + 1} of it"
    return f"{mini_batch}, files {cause.first + 1} to {cause.first + cause.count} of it"


def _rows_of(file: PlannedFile) -> dict[str, int]:
    """Which rows of the file a failed piece of it holds; nothing for a whole file."""
    piece = file.piece
    return {} if piece is None else {"first_row": piece.first_row, "rows": piece.rows}


def _row_range(file: PlannedFile) -> str:
    piece = file.piece
    return f", rows {piece.first_row} to {piece.first_row + piece.rows - 1}" if piece else ""


async def _joined(lines: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """Lines as pieces worth writing."""
    piece = bytearray()
    async for line in lines:
        piece += line.encode("utf-8", "replace") + b"\n"
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def _partial(
    job: BatchJob, progress: Progress, status: JobStatus, error: ErrorRecord | None
) -> bytes:
    body = {
        "job": job.name,
        "status": status.value,
        "error": error.message if error else None,
        "mini_batches": progress.mini_batches,
        "succeeded_mini_batches": progress.tally.succeeded_mini_batches,
        "failed_mini_batches": progress.tally.failed_mini_batches,
        "rows": progress.tally.rows,
    }
    return json.dumps(body, indent=2).encode() + b"\n"
