"""A unit: k consecutive mini-batches that one worker scores in one go, and its attempts.

Every start of a unit is an attempt of its own, claimed in the unit's document. Its number
stands in the id of the block its rows go to, so a late attempt cannot overwrite the block of a
recorded one, whoever finishes first is recorded, and only the claimer ever runs an attempt:

(a) claim      nobody has touched the unit yet
(b) take over  the claimer's lease ran out, or its delivery came back: next attempt
(c) park       the claimer gave up waiting, and sends itself again to go on with (d)
(d) resume     the same attempt, by a host that can go on with it
(e) lose       a worker timed out or died: one try of the mini-batch it was at; next attempt
(f) bisect     a mini-batch has failed: attempts that look for its bad files, and one without them
(g) hold       one has, and none of the job has succeeded: it waits until one does
(h) record     final
"""

from collections.abc import Iterable
from typing import Annotated, Self

from domain.batch.mini_batch_bisection import BadFiles, Bisection
from domain.jobs.records.job_progress import Tally
from domain.ports import Json, MiniBatchResult, UnitOutcome
from domain.values import Value, unsaid

KIND = "batchUnit"

_MOST_ERROR = 2_000
_MOST_LOG = 4_000
_MOST_TEXT_IN_UNIT = 256_000
_MOST_COLUMNS = 200_000
_FEW = 200
_SHORT = 10_000
_NO_REASON = "run() failed and gave no reason."


def document_id(unit: int) -> str:
    """In order of the units, so that a query pages through them in input order."""
    return f"unit:{unit:08d}"


def block_id(unit: int, attempt: int) -> str:
    return f"{unit:08d}-{attempt:06d}"


class FailedMiniBatch(Value):
    """A mini-batch whose files failed, after how many tries, and why."""

    ordinal: int
    tries: int
    error: str
    log_excerpt: str | None = None


class Block(Value):
    """The rows of a unit, staged. `digest` is SHA-256 in hex."""

    id: str
    length: int
    digest: str


class UnitRecord(Value):
    """What became of a unit, for good. No rows: no block. `lengths`: the bytes in the block
    of each of its mini-batches that has rows, where there are several and they can be told
    apart. `types` are those of `columns`, where the format has types. `bad_files`: of mini-batches
    that were bisected, what failed by itself; the other files go with the mini-batch. `parts`: the
    bytes in the block of each stretch of files between those, where they can be told apart."""

    block: Block | None = None
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    lengths: dict[int, int] = {}
    tally: Tally
    failed: tuple[FailedMiniBatch, ...] = ()
    bad_files: Annotated[dict[int, tuple[BadFiles, ...]], unsaid({})] = {}
    parts: Annotated[dict[int, tuple[int, ...]], unsaid({})] = {}
    seconds: float = 0.0

    @property
    def has_failures(self) -> bool:
        return bool(self.failed or self.bad_files)

    @property
    def is_small(self) -> bool:
        """Whether a transaction holds a bundle of such records: few kilobytes."""
        names = sum(map(len, (*self.columns, *self.types)))
        return not self.has_failures and len(self.lengths) <= _FEW and names <= _SHORT


class Unit(Value):
    """`lost_tries` counts, by mini-batch, the tries that a timeout or a death used up;
    `given_up` are mini-batches that no attempt runs again; `holder` says where the
    attempt of a parked unit goes on, as Workers has it; `claimed_by` names the delivery that has
    it. `bisections` are those of its mini-batches that were begun; `held`: it has been put on
    hold, and is no second time."""

    ordinal: int
    lease_until: float
    attempt: int = 0
    waits: int = 0
    parked: bool = False
    crashes: int = 0
    lost_tries: dict[int, int] = {}
    given_up: tuple[FailedMiniBatch, ...] = ()
    claimed_by: str = ""
    holder: str | None = None
    bisections: Annotated[dict[int, Bisection], unsaid({})] = {}
    held: Annotated[bool, unsaid(False)] = False
    record: UnitRecord | None = None

    def to_body(self) -> Json:
        return {
            "kind": KIND,
            "recorded": self.record is not None,
            "with_rows": self.record is not None and self.record.block is not None,
            "failed": self.record is not None and self.record.has_failures,
            "unit": self.to_document(),
            **(self.record.tally.beside() if self.record else {}),
        }

    @classmethod
    def from_body(cls, body: Json) -> Self:
        """Inverse of `to_body`."""
        unit = cls.from_document(body["unit"])
        if unit.record is None:
            return unit
        record = unit.record.model_copy(update={"tally": unit.record.tally.of(body)})
        return unit.model_copy(update={"record": record})

    @property
    def block_id(self) -> str:
        return block_id(self.ordinal, self.attempt)

    def attempt_id(self, job: str) -> str:
        return f"{job}/{self.block_id}"

    def next_attempt(self, lease_until: float) -> Self:
        return self.but(
            attempt=self.attempt + 1, waits=0, parked=False, holder=None, lease_until=lease_until
        )

    def take_over(self, lease_until: float, by: str) -> Self:
        """Its claimer is gone. A crash of the host is no try of a mini-batch, but counted."""
        return self.next_attempt(lease_until).but(crashes=self.crashes + 1, claimed_by=by)

    def park(self, lease_until: float, holder: str | None = None) -> Self:
        return self.but(parked=True, holder=holder, lease_until=lease_until)

    def resume(self, lease_until: float, by: str) -> Self:
        return self.but(
            parked=False,
            holder=None,
            waits=self.waits + 1,
            lease_until=lease_until,
            claimed_by=by,
        )

    def is_given_up(self, mini_batch: int) -> bool:
        return any(f.ordinal == mini_batch for f in self.given_up)

    def tries_left(self, mini_batch: int, max_retries: int) -> int:
        if self._is_looked_into(mini_batch):
            return 1
        return max(0, 1 + max_retries - self.lost_tries.get(mini_batch, 0))

    def give_up(self, *failed: FailedMiniBatch) -> Self:
        """Of `failed`, those not given up before join them."""
        fresh = tuple(f for f in failed if not self.is_given_up(f.ordinal))
        return self.but(given_up=(*self.given_up, *(bounded(f) for f in fresh)))

    def lose(self, outcome: UnitOutcome, max_retries: int, lease_until: float) -> Self:
        """The worker timed out or died. What had failed before stays failed; what had
        succeeded has lost its rows and runs again, but for tests, which are for no rows."""
        at, error = outcome.lost_ordinal, outcome.lost or "The worker was lost."
        if self.tests:
            return self.learn(outcome.results, lease_until)._lose_test(at, error, max_retries)
        after = self.learn([r for r in outcome.results if not r.succeeded], lease_until)
        after = after.give_up(*self.failed_in(outcome))
        if at is None:
            return after
        if self._is_looked_into(at):
            return after._bisected(at, self.bisections[at].rest_failed())
        used = self.lost_tries.get(at, 0) + 1
        after = after.but(lost_tries={**self.lost_tries, at: used})
        if after.tries_left(at, max_retries):
            return after
        logs = [r.log_excerpt for r in outcome.results if r.ordinal == at and r.log_excerpt]
        return after.give_up(
            FailedMiniBatch(
                ordinal=at, tries=used, error=error, log_excerpt=logs[-1] if logs else None
            )
        )

    def _lose_test(self, at: int | None, error: str, max_retries: int) -> Self:
        if at is None or at not in self.tests:
            return self
        return self._bisected(at, self.bisections[at].lost_one(error, min(1, max_retries)))

    def failed_in(self, outcome: UnitOutcome) -> tuple[FailedMiniBatch, ...]:
        """The mini-batches that `outcome` says have failed for good; none that is looked into."""
        return tuple(
            FailedMiniBatch(
                ordinal=r.ordinal,
                tries=r.tries + self.lost_tries.get(r.ordinal, 0),
                error=r.error or _NO_REASON,
                log_excerpt=r.log_excerpt,
            )
            for r in outcome.results
            if not r.succeeded and not self._is_looked_into(r.ordinal)
        )

    @property
    def tests(self) -> dict[int, range]:
        """The files that the attempt runs for what that tells, by mini-batch; where there are
        any, it runs nothing else."""
        tests = {each: bisection.next_test for each, bisection in self.bisections.items()}
        return {each: test for each, test in tests.items() if test is not None}

    @property
    def is_looking(self) -> bool:
        """Whether the attempt may tell more of bad files, and need not be the last."""
        return any(bisection.pending for bisection in self.bisections.values())

    def _is_looked_into(self, mini_batch: int) -> bool:
        bisection = self.bisections.get(mini_batch)
        return bisection is not None and bool(bisection.pending)

    def bisect(self, begun: dict[int, Bisection], lease_until: float) -> Self:
        """Look for the bad files of mini-batches that have failed."""
        after = self.next_attempt(lease_until)
        return after.but(
            bisections={**self.bisections, **begun},
            given_up=tuple(f for f in self.given_up if f.ordinal not in begun),
            lost_tries={each: n for each, n in self.lost_tries.items() if each not in begun},
        )

    def learn(self, results: Iterable[MiniBatchResult], lease_until: float) -> Self:
        """What an attempt told of bad files; the unit for the next one."""
        after, tests = self.next_attempt(lease_until), self.tests
        for r in results:
            if not self._is_looked_into(r.ordinal):
                continue
            bisection = self.bisections[r.ordinal]
            if r.ordinal not in tests:
                known = bisection.rest_passed() if r.succeeded else bisection.rest_failed()
            elif r.succeeded:
                known = bisection.passed()
            else:
                known = bisection.failed(r.error or _NO_REASON, r.log_excerpt)
            after = after._bisected(r.ordinal, known)
        return after

    def _bisected(self, mini_batch: int, bisection: Bisection) -> Self:
        return self.but(bisections={**self.bisections, mini_batch: bisection})

    def hold(self, now: float) -> Self:
        """Until a message has it go on; the next that comes may."""
        return self.but(held=True).park(now)


def bounded(failed: FailedMiniBatch, share: int = 1) -> FailedMiniBatch:
    """With texts cut to what a record holds; `share` mini-batches of a unit have failed."""
    each = max(200, _MOST_TEXT_IN_UNIT // share)
    return failed.but(
        error=_cut(failed.error, min(_MOST_ERROR, each // 3)),
        log_excerpt=_cut_front(failed.log_excerpt, min(_MOST_LOG, each * 2 // 3)),
    )


def columns_fault(columns: tuple[str, ...], types: tuple[str, ...] = ()) -> str | None:
    """Why rows of these columns cannot be joined, or None."""
    size = sum(len(c.encode()) for c in (*columns, *types))
    if size > _MOST_COLUMNS:
        return (
            f"The names and types of the rows' {len(columns)} columns have {size} bytes; "
            f"{_MOST_COLUMNS} at most."
        )
    twice = {c for c in columns if columns.count(c) > 1} if len(set(columns)) < len(columns) else {}
    if twice:
        return f"The rows have several columns of one name: {', '.join(sorted(twice))[:200]}."
    return None


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _cut_front(text: str | None, most: int) -> str | None:
    return text if text is None or len(text) <= most else "…" + text[1 - most :]
