"""A unit: k consecutive mini-batches that one worker scores in one go, and its attempts.

Every start of a unit is an attempt of its own, claimed in the unit's document. Its number
stands in the id of the block its rows go to, so a late attempt cannot overwrite the block of a
recorded one, whoever finishes first is recorded, and only the claimer ever runs an attempt:

(a) claim      nobody has touched the unit yet
(b) take over  the claimer's lease ran out, or its delivery came back: next attempt
(c) park       the claimer gave up waiting, and sends itself again to go on with (d)
(d) resume     the same attempt, by a host that can go on with it
(e) lose       a worker timed out or died: one try of the mini-batch it was at; next attempt
(f) record     final
"""

from typing import Self

from domain.jobs.records.job_progress import Tally
from domain.ports import Json, UnitOutcome
from domain.values import Value

KIND = "batchUnit"

_MOST_ERROR = 2_000
_MOST_LOG = 4_000
_MOST_TEXT_IN_UNIT = 256_000
_MOST_COLUMNS = 200_000
_FEW = 200
_SHORT = 10_000


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
    apart. `types` are those of `columns`, where the format has types."""

    block: Block | None = None
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    lengths: dict[int, int] = {}
    tally: Tally
    failed: tuple[FailedMiniBatch, ...] = ()
    seconds: float = 0.0

    @property
    def is_small(self) -> bool:
        """Whether a transaction holds a bundle of such records: few kilobytes."""
        names = sum(map(len, (*self.columns, *self.types)))
        return not self.failed and len(self.lengths) <= _FEW and names <= _SHORT


class Unit(Value):
    """`lost_tries` counts, by mini-batch, the tries that a timeout or a death used up;
    `given_up` are mini-batches that no attempt runs again; `holder` says where the
    attempt of a parked unit goes on, as Workers has it; `claimed_by` names the delivery that has
    it."""

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
    record: UnitRecord | None = None

    def to_body(self) -> Json:
        return {
            "kind": KIND,
            "recorded": self.record is not None,
            "with_rows": self.record is not None and self.record.block is not None,
            "failed": self.record is not None and bool(self.record.failed),
            "unit": self.to_document(),
        }

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
        return max(0, 1 + max_retries - self.lost_tries.get(mini_batch, 0))

    def give_up(self, *failed: FailedMiniBatch) -> Self:
        """Of `failed`, those not given up before join them."""
        fresh = tuple(f for f in failed if not self.is_given_up(f.ordinal))
        return self.but(given_up=(*self.given_up, *(bounded(f) for f in fresh)))

    def lose(self, outcome: UnitOutcome, max_retries: int, lease_until: float) -> Self:
        """The worker timed out or died. What had failed before stays failed; what had
        succeeded has lost its rows and runs again."""
        after = self.give_up(*self.failed_in(outcome)).next_attempt(lease_until)
        at = outcome.lost_ordinal
        if at is None:
            return after
        used = self.lost_tries.get(at, 0) + 1
        after = after.but(lost_tries={**self.lost_tries, at: used})
        if after.tries_left(at, max_retries):
            return after
        error = outcome.lost or "The worker was lost."
        logs = [r.log_excerpt for r in outcome.results if r.ordinal == at and r.log_excerpt]
        return after.give_up(
            FailedMiniBatch(
                ordinal=at, tries=used, error=error, log_excerpt=logs[-1] if logs else None
            )
        )

    def failed_in(self, outcome: UnitOutcome) -> tuple[FailedMiniBatch, ...]:
        """The mini-batches that `outcome` says have failed for good."""
        return tuple(
            FailedMiniBatch(
                ordinal=r.ordinal,
                tries=r.tries + self.lost_tries.get(r.ordinal, 0),
                error=r.error or "run() failed and gave no reason.",
                log_excerpt=r.log_excerpt,
            )
            for r in outcome.results
            if not r.succeeded
        )


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
