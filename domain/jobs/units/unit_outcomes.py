"""From what a worker told of a unit to what is recorded of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from domain.batch.mini_batch_bisection import BadFiles
from domain.jobs.records.batch_unit import (
    Block,
    FailedMiniBatch,
    Unit,
    UnitRecord,
    bounded,
    columns_fault,
)
from domain.jobs.records.job_plan import PlannedFile
from domain.jobs.records.job_progress import Tally
from domain.jobs.records.job_store import StoredUnit
from domain.jobs.units.mini_batch_parts import Lengths, mini_batch_of
from domain.jobs.units.unit_inputs import Files
from domain.ports import UnitOutcome, UnitRequest


@dataclass(frozen=True)
class Ran:
    """A unit's attempt as far as it has come. No outcome: it has not ended yet. This delivery
    has waited for it for `took` seconds. `parts`: the bytes of what it ran of each mini-batch."""

    stored: StoredUnit
    files: Files
    request: UnitRequest
    outcome: UnitOutcome | None
    took: float
    parts: Lengths = field(default_factory=dict)

    @property
    def unit(self) -> Unit:
        return self.stored.unit

    @property
    def mini_batches(self) -> list[int]:
        """Those that it was to run, or parts of them."""
        return list({mini_batch_of(each.ordinal): 0 for each in self.request.mini_batches})


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
        lengths=_lengths(files, outcome) if block else {},
        tally=_tally(unit, files, failed.keys(), rows).but(written=block.length if block else 0),
        failed=tuple(bounded(failed[o], len(failed)) for o in sorted(failed)),
        bad_files=_bad_files(unit),
        parts=_parts(ran, failed) if block else {},
        seconds=sum(r.seconds for r in outcome.results),
    )


def record_of_given_up(unit: Unit, files: Files) -> UnitRecord:
    """Of a unit that ends its host again and again, and must not hold up the job."""
    error = f"Given up: {unit.crashes} times the host ended while it ran this."
    failed = unit.give_up(
        *(FailedMiniBatch(ordinal=each, tries=unit.crashes, error=error) for each in files)
    ).given_up
    return UnitRecord(
        tally=_tally(unit, files, [f.ordinal for f in failed], 0),
        failed=tuple(bounded(f, len(failed)) for f in failed),
        bad_files=_bad_files(unit),
    )


def _parts(ran: Ran, failed: Collection[int]) -> dict[int, tuple[int, ...]]:
    """Of mini-batches with bad files between others: how much of the block each stretch is."""
    return {
        ordinal: ran.parts[ordinal]
        for ordinal, bisection in sorted(ran.unit.bisections.items())
        if bisection.bad and ordinal not in failed and any(ran.parts.get(ordinal, ()))
    }


def _bad_files(unit: Unit) -> dict[int, tuple[BadFiles, ...]]:
    """Of each mini-batch of which some files are known to be bad, in their order."""
    return {
        ordinal: tuple(sorted(bisection.bad, key=lambda each: each.first))
        for ordinal, bisection in sorted(unit.bisections.items())
        if bisection.bad
    }


def _lengths(files: Files, outcome: UnitOutcome) -> dict[int, int]:
    """Of the mini-batches of a unit of several: how much of the block is each one's."""
    if len(files) < 2:
        return {}
    return {r.ordinal: r.length for r in outcome.results if r.succeeded and r.length}


def _tally(unit: Unit, files: Files, failed: Collection[int], rows: int) -> Tally:
    """Of `failed` mini-batches every file has failed; of another one those that are bad, and it
    has failed where all of them are."""
    good = {m: planned for m, planned in files.items() if m not in failed}
    for ordinal, bisection in unit.bisections.items():
        if ordinal in good:
            good[ordinal] = [files[ordinal][index] for index in bisection.rest]
    every = [file for planned in files.values() for file in planned]
    succeeded = [file for planned in good.values() for file in planned]
    succeeded_mini_batches = sum(bool(planned) for planned in good.values())
    return Tally(
        succeeded_mini_batches=succeeded_mini_batches,
        failed_mini_batches=len(files) - succeeded_mini_batches,
        succeeded_files=len(succeeded),
        failed_files=len(every) - len(succeeded),
        rows=rows,
        succeeded_pieces=_pieces(succeeded),
        failed_pieces=_pieces(every) - _pieces(succeeded),
        read=sum(file.weight for file in every),
    )


def _pieces(files: Sequence[PlannedFile]) -> int:
    return sum(file.piece is not None for file in files)
