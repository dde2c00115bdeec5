"""From what a worker told of a unit to what is recorded of it."""

from collections.abc import Collection
from dataclasses import dataclass

from domain.jobs.records.batch_unit import (
    Block,
    FailedMiniBatch,
    Unit,
    UnitRecord,
    bounded,
    columns_fault,
)
from domain.jobs.records.job_progress import Tally
from domain.jobs.records.job_store import StoredUnit
from domain.jobs.units.unit_inputs import Files
from domain.ports import UnitOutcome, UnitRequest


@dataclass(frozen=True)
class Ran:
    """A unit's attempt as far as it has come. No outcome: it has not ended yet. This delivery
    has waited for it for `took` seconds."""

    stored: StoredUnit
    files: Files
    request: UnitRequest
    outcome: UnitOutcome | None
    took: float

    @property
    def unit(self) -> Unit:
        return self.stored.unit

    @property
    def mini_batches(self) -> list[int]:
        """Those that it was to run."""
        return [each.ordinal for each in self.request.mini_batches]


def record_of(ran: Ran, outcome: UnitOutcome) -> UnitRecord:
    """What became of a unit whose attempt ended with `outcome`, with its worker alive."""
    unit, files, asked = ran.unit, ran.files, set(ran.mini_batches)
    failed = {f.ordinal: f for f in (*unit.given_up, *unit.failed_in(outcome))}
    for silent in asked - {r.ordinal for r in outcome.results}:
        failed[silent] = FailedMiniBatch(
            ordinal=silent, tries=1, error="The worker gave no result for it."
        )
    fault = columns_fault(outcome.columns, outcome.types)
    if fault:
        for ordinal in asked - set(failed):
            failed[ordinal] = FailedMiniBatch(ordinal=ordinal, tries=1, error=fault)
    rows = 0 if fault else outcome.rows
    block = None
    if rows and outcome.length and ran.request.block_url is not None:
        block = Block(id=unit.block_id, length=outcome.length, digest=outcome.digest)
    return UnitRecord(
        block=block,
        columns=() if fault else outcome.columns,
        types=() if fault else outcome.types,
        lengths=_lengths(outcome) if block else {},
        tally=_tally(files, failed.keys(), rows),
        failed=tuple(bounded(failed[o], len(failed)) for o in sorted(failed)),
        seconds=sum(r.seconds for r in outcome.results),
    )


def record_of_given_up(unit: Unit, files: Files) -> UnitRecord:
    """Of a unit that ends its host again and again, and must not hold up the job."""
    error = f"Given up: {unit.crashes} times the host ended while it ran this."
    failed = unit.give_up(
        *(FailedMiniBatch(ordinal=each, tries=unit.crashes, error=error) for each in files)
    ).given_up
    return UnitRecord(
        tally=_tally(files, [f.ordinal for f in failed], 0),
        failed=tuple(bounded(f, len(failed)) for f in failed),
    )


def _lengths(outcome: UnitOutcome) -> dict[int, int]:
    """Of the mini-batches of a unit of several: how much of the block is each one's."""
    if len(outcome.results) < 2:
        return {}
    return {r.ordinal: r.length for r in outcome.results if r.succeeded and r.length}


def _tally(files: Files, failed: Collection[int], rows: int) -> Tally:
    failed_files = sum(len(files[m]) for m in failed)
    return Tally(
        succeeded_mini_batches=len(files) - len(failed),
        failed_mini_batches=len(failed),
        succeeded_files=sum(map(len, files.values())) - failed_files,
        failed_files=failed_files,
        rows=rows,
    )
