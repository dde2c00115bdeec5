"""The input files of a unit, read as they were planned or not at all."""

from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_plan import Plan, PlannedFile, PlanReader
from domain.ports import BlobStore, UnitInput, UnitMiniBatch

Files = dict[int, list[PlannedFile]]


class UnitInputs:
    """A worker is told each file's ETag: one that has changed or gone since the job was planned
    fails its mini-batch."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._plans = PlanReader(blobs)

    async def files(self, job: BatchJob, plan: Plan, unit: int) -> Files:
        mini_batches = plan.mini_batches_of(unit)
        found = await self._plans.files(job.name, plan, mini_batches)
        return dict(zip(mini_batches, found, strict=True))

    async def lent(
        self, plan: Plan, unit: Unit, files: Files, max_retries: int
    ) -> tuple[UnitMiniBatch, ...]:
        """The mini-batches still to run, as a worker is given them."""
        wanted = {m: planned for m, planned in files.items() if not unit.is_given_up(m)}
        places = [plan.place(file) for planned in wanted.values() for file in planned]
        urls = iter(await self._blobs.lend(places))
        return tuple(
            UnitMiniBatch(
                mini_batch,
                tuple(UnitInput(file.name, next(urls), file.piece, file.etag) for file in planned),
                unit.tries_left(mini_batch, max_retries),
            )
            for mini_batch, planned in wanted.items()
        )
