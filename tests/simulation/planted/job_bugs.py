"""Bugs in how batch jobs are driven, scored and recorded."""

from dataclasses import replace
from typing import Any

from domain.errors import DocumentExists, DomainError
from domain.ground.driving.driver import Step
from domain.ground.driving.fence import Fence, Verdict
from domain.ground.driving.sweeping import Sweeping
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.invoking.job_outputs import OutputReservations
from domain.jobs.job_supervision import JobSupervision
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_progress import Progress
from domain.jobs.records.job_store import JobStore, StoredJob, StoredProgress, StoredUnit
from domain.jobs.units import unit_scoring
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.unit_claiming import UnitClaiming
from domain.ports import Document, Replace
from tests.simulation.planted.bug import Bug, Original


def _without_etag(original: Original) -> Any:
    def replaced(self: Any, *state: Any) -> Replace:
        write: Replace = original(self, *state)
        return replace(write, etag=None)

    return replaced


def _stale_goes_on(original: Original) -> Any:
    def verdict(self: Fence, message: Fence, *, untold: bool) -> Verdict:
        found: Verdict = original(self, message, untold=untold)
        return Verdict.GO_ON if found is Verdict.STALE else found

    return verdict


def _never_resent(original: Original) -> Any:
    def verdict(self: Fence, message: Fence, *, untold: bool) -> Any:
        return original(self, message, untold=False)

    return verdict


def _same_attempt(original: Original) -> Any:
    def next_attempt(self: Unit, lease_until: float) -> Unit:
        found: Unit = original(self, lease_until)
        return found.but(attempt=self.attempt)

    return next_attempt


def _other_block(original: Original) -> Any:
    def record_of(*args: Any) -> Any:
        record = original(*args)
        if record.block is None:
            return record
        unit = args[0].unit
        return record.but(block=record.block.but(id=unit.next_attempt(0.0).block_id))

    return record_of


def _given_up_forgotten(original: Original) -> Any:
    def record_of(ran: Any, outcome: Any) -> Any:
        unit = ran.stored.unit.but(given_up=())
        return original(replace(ran, stored=replace(ran.stored, unit=unit)), outcome)

    return record_of


def _claimed_by_nobody_else(original: Original) -> Any:
    async def claim(self: UnitClaiming, message: Any, id: str, *, redelivered: bool) -> Any:
        return await original(self, message, id, redelivered=False)

    return claim


async def _swept_nothing(self: Sweeping, *, limit: int = 100) -> int:
    return 0


async def _did_nothing(self: Any, *_: Any, **__: Any) -> None:
    return None


def _finalizing_without_future(original: Original) -> Any:
    async def save(
        self: JobSupervision, document: Document, step: Step[BatchJob], due_at: float | None
    ) -> None:
        is_last = step.state.status.value == "Finalizing"
        await original(self, document, step, None if is_last else due_at)

    return save


def _without_key(original: Original) -> Any:
    async def invoke(self: JobInvocation, *args: Any, **kwargs: Any) -> Any:
        return await original(self, *args, **{**kwargs, "key": None})

    return invoke


def _recorded_alone(original: Original) -> Any:
    def replaced(self: StoredProgress, progress: Progress) -> Replace:
        behind = self.progress.but(bundle=progress.bundle, marks=progress.marks)
        write: Replace = original(self, behind)
        return write

    return replaced


def _claimed_by_two(original: Original) -> Any:
    async def create_units(self: JobStore, name: str, units: Any) -> Any:
        try:
            return await original(self, name, units)
        except DocumentExists:
            found = [await self.unit(name, each.ordinal) for each in units]
            return [each for each in found if each is not None and each.unit.record is None]

    return create_units


def _swallowed(original: Original) -> Any:
    async def advance(self: JobSupervision, message: Any, *, redelivered: bool = False) -> None:
        try:
            await original(self, message, redelivered=redelivered)
        except DomainError:
            return

    return advance


BUGS = (
    Bug(
        "a stale tick passes",
        "a doubled message goes on for ever",
        Fence,
        "verdict",
        _stale_goes_on,
    ),
    Bug(
        "a lost resend",
        "a step saved and not told waits its lease",
        Fence,
        "verdict",
        _never_resent,
    ),
    Bug("a unit saved whatever others wrote", "no If-Match", StoredUnit, "replaced", _without_etag),
    Bug(
        "progress saved whatever others wrote",
        "no If-Match",
        StoredProgress,
        "replaced",
        _without_etag,
    ),
    Bug("a job saved whatever others wrote", "no If-Match", StoredJob, "replaced", _without_etag),
    Bug(
        "two runs of one attempt",
        "one overwrites the other's block",
        Unit,
        "next_attempt",
        _same_attempt,
    ),
    Bug(
        "a record before its block",
        "the block is another attempt's",
        unit_scoring,
        "record_of",
        _other_block,
    ),
    Bug(
        "what was given up is forgotten",
        "a file in neither place",
        unit_scoring,
        "record_of",
        _given_up_forgotten,
    ),
    Bug(
        "a claim that a redelivery cannot renew",
        "it waits out the lease",
        UnitClaiming,
        "claim",
        _claimed_by_nobody_else,
    ),
    Bug("a blind sweep", "what got lost is lost", Sweeping, "sweep", lambda _: _swept_nothing),
    Bug(
        "no future",
        "finalizing never falls due",
        JobSupervision,
        "save",
        _finalizing_without_future,
    ),
    Bug(
        "an idempotency key that is dropped",
        "the request that comes again is refused",
        JobInvocation,
        "invoke",
        _without_key,
    ),
    Bug(
        "a record apart from its progress",
        "counts stay behind",
        StoredProgress,
        "replaced",
        _recorded_alone,
    ),
    Bug("a claim that two have", "both run one attempt", JobStore, "create_units", _claimed_by_two),
    Bug(
        "overdue units stay",
        "a lost unit is never sent again",
        Progress,
        "overdue",
        lambda _: lambda self, now: [],
    ),
    Bug(
        "a closed job takes records",
        "after its cancellation",
        Progress,
        "close",
        lambda _: lambda self: self,
    ),
    Bug(
        "workers left behind",
        "of jobs that another host ended",
        JobWorkers,
        "clear",
        lambda _: _did_nothing,
    ),
    Bug(
        "a place kept",
        "nobody can write there again",
        OutputReservations,
        "free",
        lambda _: _did_nothing,
    ),
    Bug("a failed step completed", "its message is gone", JobSupervision, "advance", _swallowed),
)
