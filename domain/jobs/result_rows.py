"""Which blocks make up a job's output, in which order and under which header.

The columns are those of the first unit, in input order, that gave rows. A unit whose rows have
the same columns in another order is aligned; one with other columns, or with types that no
type holds together, cannot be joined, and its files fail. All follows from the records alone,
so it comes out the same whenever this is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.jobs.batch_plan import Plan
from domain.jobs.batch_progress import Tally
from domain.jobs.batch_unit import Block, FailedMiniBatch, Unit, UnitRecord

HEADER_BLOCK = "header-00000000"
"""As long as every other block id of the output."""


def aligned_block_id(unit: int, piece: int) -> str:
    return f"a{unit:07d}-{piece:06d}"


@dataclass(frozen=True)
class Part:
    """The rows of one unit. `order` maps the output's columns to the block's; None: as is."""

    unit: int
    block: Block
    rows: int
    order: tuple[int, ...] | None = None


@dataclass
class ResultRows:
    """Gathers the parts from the records, which come in order of the units. `settled`: the
    columns it is made with are those of rows that stand before these."""

    with_columns: bool
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    settled: bool = False
    parts: list[Part] = field(default_factory=list)
    unjoinable: dict[int, str] = field(default_factory=dict)

    def add(self, unit: Unit) -> None:
        record = unit.record
        if record is None:
            return
        if not self.with_columns:
            if record.block is not None:
                self.parts.append(Part(unit.ordinal, record.block, record.tally.rows))
            return
        if record.block is None:
            if record.columns and not self.columns:
                self.columns = record.columns
            return
        if not self.settled:
            self.columns, self.types, self.settled = record.columns, record.types, True
        self._join(unit.ordinal, record, record.block)

    def _join(self, unit: int, record: UnitRecord, block: Block) -> None:
        if set(record.columns) != set(self.columns):
            self.unjoinable[unit] = _other_columns(record.columns, self.columns)
            return
        at = {name: index for index, name in enumerate(record.columns)}
        order = tuple(at[name] for name in self.columns)
        in_order = record.columns == self.columns
        if record.types:
            # A file with types names its columns itself: they may stand in any order.
            given = tuple(record.types[i] for i in order)
            joined = tuple(map(joined_type, self.types, given))
            if None in joined:
                self.unjoinable[unit] = _other_types(self.columns, self.types, given)
                return
            self.types = tuple(t for t in joined if t is not None)
            in_order = True
        self.parts.append(Part(unit, block, record.tally.rows, None if in_order else order))

    @property
    def header(self) -> bytes:
        return row(self.columns).encode() if self.columns else b""

    @property
    def needs_aligning(self) -> bool:
        return any(part.order is not None for part in self.parts)


def row(values: Sequence[str]) -> str:
    """One line of RFC 4180 CSV, ended by a newline."""
    return ",".join(_quoted(value) for value in values) + "\n"


def _quoted(value: str) -> str:
    if any(character in value for character in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


def unjoined(tally: Tally, unit: Unit) -> Tally:
    """The job's tally once a unit's rows are left out: what had succeeded has failed."""
    before = unit.record.tally if unit.record else Tally()
    files = before.succeeded_files
    return tally.but(
        succeeded_mini_batches=tally.succeeded_mini_batches - before.succeeded_mini_batches,
        failed_mini_batches=tally.failed_mini_batches + before.succeeded_mini_batches,
        succeeded_files=tally.succeeded_files - files,
        failed_files=tally.failed_files + files,
        rows=tally.rows - before.rows,
    )


def failures(plan: Plan, unit: Unit, why: str | None) -> list[FailedMiniBatch]:
    """A unit's failed mini-batches in input order; `why` its rows could not be joined."""
    record = unit.record
    if record is None:
        return []
    failed = {f.ordinal: f for f in record.failed}
    if why is not None:
        for ordinal in plan.mini_batches_of(unit.ordinal):
            failed.setdefault(ordinal, FailedMiniBatch(ordinal=ordinal, tries=1, error=why))
    return [failed[ordinal] for ordinal in sorted(failed)]


def joined_type(one: str, other: str) -> str | None:
    """The type that holds values of both, by its Arrow name; None: neither does. A column
    without any value fits everything, whole numbers fit other numbers."""
    if other in (one, "null"):
        return one
    if one == "null":
        return other
    return "double" if {one, other} == {"int64", "double"} else None


def _other_types(columns: Sequence[str], wanted: Sequence[str], given: Sequence[str]) -> str:
    clashes = [
        f"{name} has {there} instead of {here}"
        for name, here, there in zip(columns, wanted, given, strict=True)
        if joined_type(here, there) is None
    ]
    said = ", ".join(clashes)[:1600]
    return f"run() returned other types than for the first files of the job: {said}."


def _other_columns(columns: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    extra = ", ".join(c for c in columns if c not in wanted)
    missing = ", ".join(c for c in wanted if c not in columns)
    said = [
        f"it lacks {missing}"[:800] if missing else "",
        f"it has {extra} besides"[:800] if extra else "",
    ]
    return (
        "run() returned other columns than for the first files of the job: "
        f"{' and '.join(s for s in said if s)}."
    )
