"""Batch jobs, from their invocation to their removal."""

from datetime import timedelta

from domain.assets.asset_registration import AssetRegistration
from domain.batch.activities import BatchActivities
from domain.jobs.activities import JobActivities
from domain.jobs.batch_jobs import BatchJobs
from domain.jobs.finishing.job_reports import JobReports
from domain.jobs.finishing.parquet_folder import ParquetFolder
from domain.jobs.finishing.result_aggregation import ResultAggregation
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.invoking.job_outputs import OutputReservations
from domain.jobs.job_finalizing import JobFinalizing
from domain.jobs.job_logs import JobLogs
from domain.jobs.job_retention import JobRetention
from domain.jobs.job_supervision import JobSupervision
from domain.jobs.planning.job_planning import JobPlanning
from domain.jobs.planning.web_copies import WebCopies
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_store import JobStore
from domain.jobs.records.job_times import JobTimes
from domain.jobs.results.job_results import JobResults
from domain.jobs.retrying.retry_joining import RetryJoining
from domain.jobs.retrying.retry_planning import RetryPlanning
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.unit_recording import UnitRecording
from domain.jobs.worker_logs import WorkerLogs
from domain.ports import Workers
from infra.composition.ground import Ground
from infra.composition.units import compose_units
from infra.rules.tables.parquet_process import ParquetProcess, installed
from infra.settings.features import BatchSettings

_FILE_READ = 30.0
"""Seconds for which somebody waits who looks into a file."""


def compose_jobs(
    ground: Ground,
    settings: BatchSettings,
    *,
    assets: AssetRegistration,
    batch: BatchActivities,
    times: JobTimes,
    units_ahead: bool,
) -> JobActivities:
    """`units_ahead` holds where the settings say nothing of it."""
    a = ground.adapters
    jobs = JobGround(JobStore(a.store), a.queue, a.blobs, a.clock, ground.outbox, times)
    workers = JobWorkers(jobs.jobs, a.workers, batch.workloads)
    recording = UnitRecording(jobs)
    reservations = OutputReservations(a.store, a.blobs, a.clock)
    aggregation = ResultAggregation(a.store, a.blobs)
    reports = JobReports(a.store, a.blobs, a.workers)
    copies = WebCopies(a.blobs, a.web, pause=times.web_pause)
    collection = BatchJobs(jobs, ground.scope)
    parquet = ParquetProcess(installed("pyarrow"), patience=_FILE_READ)
    return JobActivities(
        invocation=JobInvocation(
            jobs,
            ground.scope,
            assets=assets,
            batch=batch.documents,
            web=a.web,
            reservations=reservations,
            room=a.room,
        ),
        collection=collection,
        supervision=JobSupervision(
            jobs,
            planning=JobPlanning(a.blobs, copies, most_units=times.most_units),
            retry_planning=RetryPlanning(jobs, aggregation),
            workers=workers,
            recording=recording,
            reports=reports,
            finalizing=_finalizing(jobs, a.workers, aggregation, reports, reservations),
            units_ahead=units_ahead if settings.units_ahead is None else settings.units_ahead,
        ),
        units=compose_units(jobs, a.workers, job_workers=workers, recording=recording),
        workers=workers,
        retention=JobRetention(
            jobs, collection, keep=timedelta(days=settings.job_retention_days) or None
        ),
        logs=JobLogs(collection, a.blobs),
        worker_logs=WorkerLogs(collection, a.blobs, a.workers),
        results=JobResults(collection, a.blobs, parquet),
    )


def _finalizing(
    jobs: JobGround,
    workers: Workers,
    aggregation: ResultAggregation,
    reports: JobReports,
    reservations: OutputReservations,
) -> JobFinalizing:
    folder = ParquetFolder(jobs.blobs)
    return JobFinalizing(
        jobs.clock,
        workers,
        aggregation=aggregation,
        folder=folder,
        joining=RetryJoining(jobs, folder),
        reports=reports,
        reservations=reservations,
    )
