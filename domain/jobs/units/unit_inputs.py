"""The input files of a unit, read as they were planned or not at all."""

from collections.abc import Sequence

from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_plan import Plan, PlannedFile, PlanReader
from domain.jobs.units.mini_batch_parts import part_ordinal, stretches
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
        """What the unit's attempt is to run, as a worker is given it."""
        wanted = [
            (m, part, [files[m][index] for index in indexes])
            for m in files
            if not unit.is_given_up(m)
            for part, indexes in enumerate(_parts(unit, m, len(files[m])))
        ]
        places = [plan.place(file) for _, _, planned in wanted for file in planned]
        urls = iter(await self._blobs.lend(places))
        return tuple(
            UnitMiniBatch(
                part_ordinal(mini_batch, part),
                tuple(UnitInput(file.name, next(urls), file.piece, file.etag) for file in planned),
                unit.tries_left(mini_batch, max_retries),
            )
            for mini_batch, part, planned in wanted
        )


def _parts(unit: Unit, mini_batch: int, files: int) -> Sequence[Sequence[int]]:
    """The files that are run together: those of a test, if there are any; else of every
    mini-batch that may have rows, without what is known to be bad."""
    if unit.tests:
        test = unit.tests.get(mini_batch)
        return [test] if test is not None else []
    bisection = unit.bisections.get(mini_batch)
    return [range(files)] if bisection is None else stretches(bisection.rest)
