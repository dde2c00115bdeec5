"""Planning a job: its inputs listed as a stream, cut into mini-batches, written as manifests.

Nothing of it counts until the job's document names the plan, so planning may be cut off at any
point and done again, and a listing that changes after that changes nothing.
"""

import logging
from uuid import uuid4

from domain.errors import NotFound
from domain.jobs.batch_job import BatchJob
from domain.jobs.batch_plan import MOST_UNITS, Plan, PlanWriter, unit_size
from domain.jobs.batch_progress import Progress
from domain.jobs.job_inputs import files_of, root_of
from domain.ports import BlobStore

_log = logging.getLogger("ml_endpoints.batch")


class NoInput(NotFound):
    code = "InputNotFound"

    def __init__(self, uri: str) -> None:
        super().__init__(f"There are no files under '{uri}', so there is nothing to score.")


class BatchPlanning:
    """Memory does not grow with the number of files."""

    def __init__(self, blobs: BlobStore, *, most_units: int = MOST_UNITS) -> None:
        self._blobs = blobs
        self._most_units = most_units

    async def plan(self, job: BatchJob) -> Plan:
        """Write the manifests of a plan that is not the job's yet. Raises NotFound when
        there is nothing to score."""
        id = uuid4().hex[:16]
        size = job.settings.mini_batch_size
        writer = PlanWriter(self._blobs, job.name, id, size)
        await writer.write(files_of(job.input, self._blobs))
        if not writer.files:
            raise NoInput(job.input.uri)
        plan = Plan(
            id=id,
            container=job.input.container,
            root=root_of(job.input),
            files=writer.files,
            bytes=writer.bytes,
            mini_batch_size=size,
            mini_batches=writer.mini_batches,
            unit_size=unit_size(writer.mini_batches, self._most_units),
        )
        _log.info(
            "Job %s: %d files in %d mini-batches",
            job.name,
            plan.files,
            plan.mini_batches,
            extra={"action": "job_planned", "job": job.name},
        )
        return plan


def progress_of(job: BatchJob, plan: Plan) -> Progress:
    """How far a job is that has just been planned."""
    return Progress(
        units=plan.units,
        mini_batches=plan.mini_batches,
        files=plan.files,
        window=job.workers,
        error_threshold=job.settings.error_threshold,
    )
