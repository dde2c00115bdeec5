"""What of a recorded unit has failed: whole mini-batches, and single files of bisected ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.batch.mini_batch_bisection import BadFiles
from domain.jobs.records.batch_unit import FailedMiniBatch, Unit
from domain.jobs.records.job_plan import Plan, PlannedFile

Cause = FailedMiniBatch | BadFiles
"""Both say after how many tries, and why."""


@dataclass(frozen=True)
class Failure:
    """Of the mini-batch `ordinal`. `whole`: why all of its files have failed but for those of
    `bad`, which have reasons of their own; None: the others have their rows."""

    ordinal: int
    whole: FailedMiniBatch | None
    bad: tuple[BadFiles, ...] = ()

    def causes(self, files: Sequence[PlannedFile]) -> list[tuple[PlannedFile, Cause]]:
        """The failed ones of the mini-batch's `files`, each with why it has."""
        own = {at: b for b in self.bad for at in range(b.first, b.first + b.count)}
        causes = [(file, own.get(at, self.whole)) for at, file in enumerate(files)]
        return [(file, cause) for file, cause in causes if cause is not None]

    @property
    def told(self) -> list[Cause]:
        """Each cause once."""
        return [*self.bad, *([self.whole] if self.whole else ())]


def failures(plan: Plan, unit: Unit, why: str | None) -> list[Failure]:
    """A unit's failures in input order; `why` its rows could not be joined."""
    record = unit.record
    if record is None:
        return []
    whole = {failed.ordinal: failed for failed in record.failed}
    if why is not None:
        for ordinal in plan.mini_batches_of(unit.ordinal):
            whole.setdefault(ordinal, FailedMiniBatch(ordinal=ordinal, tries=1, error=why))
    return [
        Failure(ordinal, whole.get(ordinal), record.bad_files.get(ordinal, ()))
        for ordinal in sorted({*whole, *record.bad_files})
    ]
