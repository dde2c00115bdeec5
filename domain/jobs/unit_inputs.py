"""The input files of a unit, read as they were planned or not at all."""

from collections.abc import Iterable

from domain.jobs.batch_job import BatchJob
from domain.jobs.batch_plan import Plan, PlannedFile, PlanReader
from domain.jobs.batch_unit import FailedMiniBatch, Unit
from domain.ports import BlobProperties, BlobStore, UnitInput, UnitMiniBatch

Files = dict[int, list[PlannedFile]]

_TOGETHER = 1000
"""Files looked at in one call: what is known of them all is in memory for so long."""


class UnitInputs:
    """A file that has changed or gone since the job was planned fails its mini-batch."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._plans = PlanReader(blobs)

    async def files(self, job: BatchJob, plan: Plan, unit: int) -> Files:
        mini_batches = plan.mini_batches_of(unit)
        found = await self._plans.files(job.name, plan, mini_batches)
        return dict(zip(mini_batches, found, strict=True))

    async def changed(
        self, plan: Plan, unit: Unit, files: Files, mini_batches: Iterable[int]
    ) -> list[FailedMiniBatch]:
        """Of `mini_batches`, those with a file that is not the planned one any more."""
        wanted = [(m, f) for m in mini_batches if not unit.is_given_up(m) for f in files[m]]
        faults: dict[int, str] = {}
        for start in range(0, len(wanted), _TOGETHER):
            some = wanted[start : start + _TOGETHER]
            found = await self._blobs.properties_of([plan.place(file) for _, file in some])
            for (mini_batch, file), blob in zip(some, found, strict=True):
                fault = _fault(file, blob)
                if fault:
                    faults.setdefault(mini_batch, fault)
        return [
            FailedMiniBatch(ordinal=m, tries=unit.lost_tries.get(m, 0), error=fault)
            for m, fault in faults.items()
        ]

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
                tuple(UnitInput(file.name, next(urls), file.piece) for file in planned),
                unit.tries_left(mini_batch, max_retries),
            )
            for mini_batch, planned in wanted.items()
        )


def _fault(file: PlannedFile, blob: BlobProperties | None) -> str | None:
    if blob is None:
        return f"The input '{file.name}' was removed after the job was planned."
    if blob.etag != file.etag:
        return f"The input '{file.name}' was changed after the job was planned."
    return None
