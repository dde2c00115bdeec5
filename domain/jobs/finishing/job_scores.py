"""What became of each mini-batch of an ended job, in the order of its rows."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from domain.jobs.finishing.result_aggregation import records
from domain.jobs.finishing.result_parts import Part
from domain.jobs.finishing.result_rows import ResultRows, failures
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_plan import Plan
from domain.jobs.records.job_store import unit_of
from domain.ports import ResourceStore


@dataclass(frozen=True)
class MiniBatchScore:
    """`length` is how many bytes of the output are its rows. `part`: the part of the output
    that begins with its rows, where the output is a folder of parts. Not `tried`: no attempt
    of it was recorded."""

    ordinal: int
    succeeded: bool
    tried: bool = True
    length: int = 0
    part: Part | None = None


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
        failed = {each.ordinal for each in failures(plan, unit, rows.fault(unit))}
        for ordinal in plan.mini_batches_of(unit.ordinal):
            if ordinal in failed:
                yield MiniBatchScore(ordinal, succeeded=False)
                continue
            begins = part if job.writes_parts else None
            length = _length(unit, ordinal) if part is not None else 0
            yield MiniBatchScore(ordinal, succeeded=True, length=length, part=begins)
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
