"""Planning a job: its inputs listed as a stream, cut into mini-batches, written as manifests.

Nothing of it counts until the job's document names the plan, so planning may be cut off at any
point and done again, and a listing that changes after that changes nothing.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from uuid import uuid4

from domain.batch.mini_batch_cut import MiniBatchBy
from domain.errors import Invalid
from domain.jobs.planning.input_files import NoInput, files_of, sources_of
from domain.jobs.planning.row_pieces import RowPieces
from domain.jobs.planning.web_copies import WebCopies
from domain.jobs.records.batch_job import BatchJob, JobInput
from domain.jobs.records.job_plan import (
    Plan,
    PlanSource,
    PlanWriter,
    Weighed,
    unit_size,
)
from domain.jobs.records.job_progress import Progress
from domain.ports import BlobStore

_log = logging.getLogger("ml_endpoints.batch")


class PlanTooLong(Invalid):
    code = "PlanTooLong"

    def __init__(self, limit: float) -> None:
        super().__init__(
            f"The inputs were not listed, fetched and cut within {limit:g} seconds. Make several "
            "jobs of them; miniBatchBy Rows takes the longest, as it reads the files."
        )


class JobPlanning:
    """Memory does not grow with the number of files, nor with their size."""

    def __init__(self, blobs: BlobStore, copies: WebCopies, *, most_units: int) -> None:
        self._blobs = blobs
        self._copies = copies
        self._most_units = most_units

    async def plan(self, job: BatchJob, *, limit: float) -> Plan:
        """Write the manifests of a plan that is not the job's yet. Raises NotFound when
        there is nothing to score, Invalid for files that cannot be read or cut, or not
        within `limit` seconds."""
        try:
            async with asyncio.timeout(limit):
                return await self._plan(job)
        except TimeoutError:
            raise PlanTooLong(limit) from None

    async def _plan(self, job: BatchJob) -> Plan:
        id = uuid4().hex[:16]
        inputs = [await self._copies.place(job.name, n, each) for n, each in enumerate(job.inputs)]
        sources = sources_of(inputs)
        by, size = job.settings.mini_batch_by, job.settings.mini_batch_size
        writer = PlanWriter(self._blobs, job.name, id, job.settings.cut())
        async with aclosing(self._weighed(inputs, sources, by, size)) as weighed:
            await writer.write(weighed)
        if not writer.files:
            raise NoInput(job.inputs)
        plan = Plan(
            id=id,
            sources=sources,
            files=writer.files,
            pieces=writer.pieces,
            cut_files=writer.cut_files,
            bytes=writer.bytes,
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

    async def _weighed(
        self, inputs: Sequence[JobInput], sources: Sequence[PlanSource], by: MiniBatchBy, size: int
    ) -> AsyncGenerator[Weighed, None]:
        async with aclosing(files_of(inputs, sources, self._blobs)) as files:
            match by:
                case MiniBatchBy.FILES:
                    async for file in files:
                        yield file, 1
                case MiniBatchBy.BYTES:
                    async for file in files:
                        yield file, file.size
                case MiniBatchBy.ROWS:
                    async with aclosing(RowPieces(self._blobs, sources, size).of(files)) as cut:
                        async for weighed in cut:
                            yield weighed


def progress_of(job: BatchJob, plan: Plan, *, ahead: bool) -> Progress:
    """How far a job is that has just been planned. `ahead`: while a worker has one unit, the
    next is on its way to it."""
    return Progress(
        units=plan.units,
        mini_batches=plan.mini_batches,
        files=plan.files,
        window=job.workers * (2 if ahead else 1),
        error_threshold=job.settings.error_threshold,
    )
