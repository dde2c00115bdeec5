"""The input files of a unit, read as they were planned or not at all."""

from collections.abc import Sequence
from typing import Protocol

from domain.jobs.batch_job import BatchJob
from domain.jobs.batch_plan import Plan, PlannedFile, PlanReader
from domain.jobs.batch_unit import FailedMiniBatch, Unit
from domain.ports import BlobProperties, BlobStore, UnitInput, UnitMiniBatch

Files = dict[int, list[PlannedFile]]

_TOGETHER = 1000
"""Files looked at in one call: what is known of them all is in memory for so long."""


class HasRun(Protocol):
    """A unit that has run `mini_batches` of its own."""

    @property
    def unit(self) -> Unit: ...

    @property
    def files(self) -> Files: ...

    @property
    def mini_batches(self) -> Sequence[int]: ...


class UnitInputs:
    """A file that has changed or gone since the job was planned fails its mini-batch."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._plans = PlanReader(blobs)

    async def files(self, job: BatchJob, plan: Plan, unit: int) -> Files:
        mini_batches = plan.mini_batches_of(unit)
        found = await self._plans.files(job.name, plan, mini_batches)
        return dict(zip(mini_batches, found, strict=True))

    async def changed(self, plan: Plan, units: Sequence[HasRun]) -> list[list[FailedMiniBatch]]:
        """Of the mini-batches that each of `units` has run, those with a file that is not the
        planned one any more."""
        wanted = [
            (number, mini_batch, file)
            for number, each in enumerate(units)
            for mini_batch in each.mini_batches
            for file in each.files[mini_batch]
        ]
        faults: list[dict[int, str]] = [{} for _ in units]
        for start in range(0, len(wanted), _TOGETHER):
            some = wanted[start : start + _TOGETHER]
            found = await self._blobs.properties_of([plan.place(file) for *_, file in some])
            for (number, mini_batch, file), blob in zip(some, found, strict=True):
                fault = _fault(file, blob)
                if fault:
                    faults[number].setdefault(mini_batch, fault)
        return [
            [
                FailedMiniBatch(ordinal=m, tries=each.unit.lost_tries.get(m, 0), error=fault)
                for m, fault in of_unit.items()
            ]
            for each, of_unit in zip(units, faults, strict=True)
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
