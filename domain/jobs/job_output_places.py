"""Where the outputs of jobs are, for whoever registers one as a model or as data."""

from collections.abc import Mapping

from domain.assets.asset_admission import RunOutputs
from domain.errors import NotFound
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.job_store import JobStore
from domain.ports import BlobFolder


class JobOutputPlaces(RunOutputs):
    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    async def place(self, job: str, output: str) -> BlobFolder:
        stored = await self._jobs.job(job)
        if stored is None:
            raise NotFound(f"Job '{job[:100]}' was not found.")
        found = places_of(stored.job)
        if output not in found:
            raise NotFound(
                f"Job '{job[:100]}' has no output '{output[:100]}'; it has {', '.join(found)}."
            )
        return found[output]


def places_of(job: BatchJob) -> Mapping[str, BlobFolder]:
    """By the names of its outputs."""
    results = job.results
    score = results.path if job.writes_rows else results.folder
    return {
        "score": BlobFolder(results.container, score),
        "logs": BlobFolder(job.output.container, job.logs_folder),
    }
