"""The input files of a unit, read as they were planned or not at all."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from domain.errors import BlobNotFound
from domain.jobs.batch_job import BatchJob
from domain.jobs.batch_plan import Plan, PlannedFile, PlanReader
from domain.jobs.batch_unit import FailedMiniBatch, Unit
from domain.ports import BlobStore, UnitInput, UnitMiniBatch

_AT_ONCE = 16

T = TypeVar("T")
R = TypeVar("R")
Files = dict[int, list[PlannedFile]]


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
        wanted = [m for m in mini_batches if not unit.is_given_up(m)]

        async def look(mini_batch: int) -> FailedMiniBatch | None:
            for file in files[mini_batch]:
                fault = await self._fault(plan, file)
                if fault:
                    tries = unit.lost_tries.get(mini_batch, 0)
                    return FailedMiniBatch(ordinal=mini_batch, tries=tries, error=fault)
            return None

        return [found for found in await _few_at_once(look, wanted) if found is not None]

    async def _fault(self, plan: Plan, file: PlannedFile) -> str | None:
        try:
            blob = await self._blobs.properties(*plan.place(file))
        except BlobNotFound:
            return f"The input '{file.name}' was removed after the job was planned."
        if blob.etag != file.etag:
            return f"The input '{file.name}' was changed after the job was planned."
        return None

    async def lent(
        self, plan: Plan, unit: Unit, files: Files, max_retries: int
    ) -> tuple[UnitMiniBatch, ...]:
        """The mini-batches still to run, as a worker is given them. Raises BlobNotFound
        when a file goes at this very moment."""
        lent: list[UnitMiniBatch] = []
        for mini_batch, planned in files.items():
            if unit.is_given_up(mini_batch):
                continue
            urls = await _few_at_once(lambda file: self._blobs.lend(*plan.place(file)), planned)
            inputs = tuple(
                UnitInput(file.name, url, file.piece)
                for file, url in zip(planned, urls, strict=True)
            )
            tries = unit.tries_left(mini_batch, max_retries)
            lent.append(UnitMiniBatch(mini_batch, inputs, tries))
        return tuple(lent)


async def _few_at_once(call: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R]:
    """`call` over `items`, in order of `items`, a bounded number at a time."""
    found: list[R] = []
    for start in range(0, len(items), _AT_ONCE):
        found += await asyncio.gather(*(call(item) for item in items[start : start + _AT_ONCE]))
    return found
