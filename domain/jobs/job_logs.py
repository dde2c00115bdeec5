"""What a job has left to read, by URLs that open one file each."""

from collections.abc import Mapping
from typing import Final

from domain.assets.datastore import URL_VALIDITY
from domain.jobs.batch_jobs import BatchJobs
from domain.ports import BlobStore, Permission

STREAMED: Final = "logs/azureml/executionlogs.txt"
"""The name under which Azure ML's clients look for what they stream of a job with steps."""
_OVERVIEW: Final = "job_progress_overview.txt"
_MOST: Final = 100
_READ: Final = frozenset({Permission.READ})


class JobLogs:
    def __init__(self, jobs: BatchJobs, blobs: BlobStore) -> None:
        self._jobs = jobs
        self._blobs = blobs

    async def urls(self, name: str) -> Mapping[str, str]:
        """By their names below the job's folder; the overview of its progress, which grows while it
        runs, also as STREAMED. Raises NotFound."""
        job = (await self._jobs.get(name)).job
        container, folder = job.output.container, f"{job.logs_folder}/"
        found: dict[str, str] = {}
        async for blob in self._blobs.list(container, folder):
            url = await self._blobs.sign(container, blob.name, _READ, URL_VALIDITY)
            below = blob.name.removeprefix(folder)
            found[f"logs/{below}"] = url
            if below == _OVERVIEW:
                found[STREAMED] = url
            if len(found) >= _MOST:
                break
        return found
