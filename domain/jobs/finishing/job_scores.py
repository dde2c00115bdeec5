"""What became of each mini-batch of an ended job, in the order of its rows."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from domain.batch.mini_batch_bisection import BadFiles
from domain.jobs.finishing.result_aggregation import records
from domain.jobs.finishing.result_parts import Part
from domain.jobs.finishing.result_rows import ResultRows
from domain.jobs.finishing.unit_failures import failures
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_plan import Plan
from domain.jobs.records.job_store import unit_of
from domain.ports import ResourceStore


@dataclass(frozen=True)
class MiniBatchScore:
    """`length` is how many bytes of the output are its rows. `part`: the part of the output
    that begins with its rows, where the output is a folder of parts. Not `tried`: no attempt
    of it was recorded. `bad`: some of its files have failed, though it has `succeeded`; `parts`
    are then the lengths of the rows of the stretches between them. `only`: it speaks of these
    files alone."""

    ordinal: int
    succeeded: bool
    tried: bool = True
    length: int = 0
    part: Part | None = None
    bad: tuple[BadFiles, ...] = ()
    parts: tuple[int, ...] = ()
    only: range | None = None

    @property
    def each(self) -> Iterator["MiniBatchScore"]:
        """What succeeded and what failed of it apart, in the order of their rows; where those
        cannot be told apart, all that succeeded comes first."""
        if not self.bad:
            yield self
            return
        following = iter(self.parts)
        if not self.parts:
            yield replace(self, bad=())
        at = 0
        for bad in self.bad:
            if bad.first > at:
                yield from self._rows(following)
            at = bad.first + bad.count
            yield MiniBatchScore(self.ordinal, succeeded=False, only=range(bad.first, at))
        yield from self._rows(following)

    def _rows(self, parts: Iterator[int]) -> Iterator["MiniBatchScore"]:
        for length in islice(parts, 1):
            yield MiniBatchScore(self.ordinal, succeeded=True, length=length)


async def scores(
    store: ResourceStore, job: BatchJob, plan: Plan, rows: ResultRows
) -> AsyncIterator[MiniBatchScore]:
    """Of every mini-batch. `rows` is what the job's records amount to."""
    parts = iter(rows.parts)
    ahead = next(parts, None)
    following = 0
    async for document in records(store, job.name):
        unit = unit_of(document).unit
        for skipped in range(following, unit.ordinal):
            for score in _untried(plan, skipped):
                yield score
        following = unit.ordinal + 1
        part = None
        if ahead is not None and ahead.unit == unit.ordinal:
            part, ahead = ahead, next(parts, None)
        failed = {each.ordinal: each for each in failures(plan, unit, rows.fault(unit))}
        for ordinal in plan.mini_batches_of(unit.ordinal):
            failure = failed.get(ordinal)
            if failure is not None and failure.whole is not None:
                yield MiniBatchScore(ordinal, succeeded=False)
                continue
            bad = failure.bad if failure else ()
            between = unit.record.parts.get(ordinal, ()) if unit.record else ()
            begins = part if job.writes_parts else None
            length = _length(unit, ordinal) if part is not None else 0
            yield MiniBatchScore(
                ordinal, succeeded=True, length=length, part=begins, bad=bad, parts=between
            )
            part = None if job.writes_parts else part
    for skipped in range(following, plan.units):
        for score in _untried(plan, skipped):
            yield score


def _untried(plan: Plan, unit: int) -> list[MiniBatchScore]:
    return [
        MiniBatchScore(ordinal, succeeded=False, tried=False)
        for ordinal in plan.mini_batches_of(unit)
    ]


def _length(unit: Unit, mini_batch: int) -> int:
    record = unit.record
    if record is None or record.block is None:
        return 0
    return record.lengths.get(mini_batch, 0) if record.lengths else record.block.length
