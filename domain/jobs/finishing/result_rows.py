"""Which blocks make up a job's output, in which order and under which header.

The columns are those of the first unit, in input order, that gave rows. A unit whose rows have
the same columns in another order is aligned; one with other columns, or with types that no
type holds together, cannot be joined, and its files fail. All follows from the records alone,
so it comes out the same whenever this is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.jobs.finishing.result_parts import Part, Parts
from domain.jobs.records.batch_unit import Unit, UnitRecord
from domain.jobs.records.job_progress import Tally

HEADER_BLOCK = "header-00000000"
"""As long as every other block id of the output."""


def aligned_block_id(unit: int, piece: int) -> str:
    return f"a{unit:07d}-{piece:06d}"


@dataclass
class ResultRows:
    """Gathers the parts from the records, which come in order of the units. `settled`: the
    columns it is made with are those of rows that stand before these."""

    with_columns: bool
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    settled: bool = False
    parts: Parts = field(default_factory=Parts)

    def add(self, unit: Unit) -> bool:
        """False: it has rows, and they cannot be joined."""
        record = unit.record
        if record is None:
            return True
        if record.block is None:
            if self.with_columns and record.columns and not self.columns:
                self.columns = record.columns
            return True
        order = None
        if self.with_columns:
            if not self.settled:
                self.columns, self.types, self.settled = record.columns, record.types, True
            if self._fault(record) is not None:
                return False
            order = self._taken(record)
        self.parts.append(Part(unit.ordinal, record.block, record.tally.rows, order))
        return True

    def fault(self, unit: Unit) -> str | None:
        """Why the rows of a unit cannot be joined; None where they are, or it has none. To be
        asked when every unit has been added: types only ever widen, so what did not fit then
        does not fit now."""
        record = unit.record
        if record is None or record.block is None or not self.with_columns:
            return None
        return self._fault(record)

    def _fault(self, record: UnitRecord) -> str | None:
        if set(record.columns) != set(self.columns):
            return _other_columns(record.columns, self.columns)
        given = _types_of(record, self.columns)
        if None in map(joined_type, self.types, given):
            return _other_types(self.columns, self.types, given)
        return None

    def _taken(self, record: UnitRecord) -> tuple[int, ...] | None:
        """How the output's columns are found in the record's block; its types are made room
        for."""
        if record.types:
            # A file with types names its columns itself: they may stand in any order.
            joined = map(joined_type, self.types, _types_of(record, self.columns))
            self.types = tuple(t for t in joined if t is not None)
            return None
        if record.columns == self.columns:
            return None
        return _order_of(record, self.columns)

    @property
    def header(self) -> bytes:
        return row(self.columns).encode() if self.columns else b""

    @property
    def needs_aligning(self) -> bool:
        return not self.parts.are_in_order


def _order_of(record: UnitRecord, columns: Sequence[str]) -> tuple[int, ...]:
    """Where each of `columns` stands in the record's."""
    at = {name: index for index, name in enumerate(record.columns)}
    return tuple(at[name] for name in columns)


def _types_of(record: UnitRecord, columns: Sequence[str]) -> tuple[str, ...]:
    """The record's, in the order of `columns`; empty where the format has no types."""
    if not record.types:
        return ()
    return tuple(record.types[index] for index in _order_of(record, columns))


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
        succeeded_pieces=tally.succeeded_pieces - before.succeeded_pieces,
        failed_pieces=tally.failed_pieces + before.succeeded_pieces,
    )


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
