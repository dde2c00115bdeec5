"""A request to score an ended job's files without rows once more."""

from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.errors import Conflict, Detail, NotFound
from domain.jobs.records.batch_job import BatchJob, JobOutput
from domain.jobs.records.job_request import JobProperties
from domain.jobs.records.job_store import JobStore


class NothingToRetry(Conflict):
    code = "NothingToRetry"

    def __init__(self, job: str) -> None:
        super().__init__(
            f"Every file of the job '{job}' was scored; there is nothing to retry. Invoke the "
            "endpoint to score them all again.",
            target="properties.retryOf",
        )


async def retried_job(jobs: JobStore, endpoint: str, name: str) -> BatchJob:
    """The ended job of `endpoint` that has files without rows. Raises NotFound, Conflict,
    NothingToRetry."""
    found = await jobs.job(name)
    if found is None or found.job.deleting or found.job.endpoint.casefold() != endpoint.casefold():
        raise NotFound(
            f"The endpoint '{endpoint}' has no job '{name[:100]}' to retry.",
            target="properties.retryOf",
        )
    job = found.job
    if not job.status.is_terminal:
        raise Conflict(
            f"Job '{job.name}' is {job.status.value}; cancel it, or wait for its end.",
            code="JobNotEnded",
            target="properties.retryOf",
        )
    progress = await jobs.progress(name)
    if job.plan is None or progress is None:
        raise Conflict(
            f"Job '{job.name}' ended before its files were listed, so nothing is known of "
            "them. Invoke the endpoint with its input instead.",
            code="JobNotPlanned",
            target="properties.retryOf",
        )
    tally = progress.progress.tally
    if not tally.failed_files and tally.succeeded_files == progress.progress.files:
        raise NothingToRetry(job.name)
    return job


def retry_faults(asked: JobProperties, first: BatchJob) -> list[Detail]:
    """What the request may not say besides."""
    faults = []
    if asked.input_data or asked.dataset is not None:
        faults.append(
            Detail(
                "BadArgument",
                f"A retry reads the files of the job '{first.name}'; leave the input out.",
                "properties.inputData",
            )
        )
    had = first.settings
    for field, target in (
        ("output_format", "outputFormat"),
        ("provenance_columns", "provenanceColumns"),
    ):
        wanted = getattr(asked, field)
        if wanted is not None and wanted != getattr(had, field):
            faults.append(
                Detail(
                    "BadArgument",
                    "The rows of a retry are joined to those of the job it retries, so they are "
                    "written alike; leave this out.",
                    f"properties.{target}",
                )
            )
    return faults


def written_as(first: BatchJob, settings: BatchDeploymentProperties) -> BatchDeploymentProperties:
    """`settings`, but for how rows are written: as those they are to be joined to."""
    had = first.settings
    return settings.but(
        output_action=had.output_action,
        output_format=had.output_format,
        provenance_columns=had.provenance_columns,
    )


def own_output(name: str, first: BatchJob, results: JobOutput) -> JobOutput:
    """Where the rows of a retry's own units go before they are joined. What scripts write
    themselves is not joined."""
    if not first.writes_rows:
        return results
    return results.but(folder=f"azureml/{name}/retried", is_own_folder=True)
