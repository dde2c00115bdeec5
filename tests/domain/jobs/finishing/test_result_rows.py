import csv
import io
import tracemalloc
from collections.abc import AsyncIterator, Iterable

from hypothesis import given
from hypothesis import strategies as st

from domain.jobs.finishing.column_alignment import aligned, split_rows
from domain.jobs.finishing.result_parts import Part, Parts
from domain.jobs.finishing.result_rows import ResultRows, row
from domain.jobs.records.batch_unit import Block, Unit, UnitRecord, block_id
from domain.jobs.records.job_progress import Tally


def unit(ordinal: int, *columns: str, rows: int = 1) -> Unit:
    block = Block(id=block_id(ordinal, 0), length=rows, digest="") if rows else None
    record = UnitRecord(block=block, columns=columns, tally=Tally(rows=rows))
    return Unit(ordinal=ordinal, lease_until=0, record=record)


def joined(*units: Unit, with_columns: bool = True) -> ResultRows:
    rows = ResultRows(with_columns=with_columns)
    for one in units:
        rows.add(one)
    return rows


def test_the_header_is_that_of_the_first_unit_with_rows() -> None:
    rows = joined(unit(0, "x", rows=0), unit(1, "a", "b"), unit(2, "a", "b"))
    assert rows.header == b"a,b\n"
    assert [part.unit for part in rows.parts] == [1, 2]
    assert not rows.needs_aligning


def test_without_any_row_the_first_known_columns_are_the_header() -> None:
    assert joined(unit(0, rows=0), unit(1, "a", rows=0), unit(2, "b", rows=0)).header == b"a\n"
    assert joined(unit(0, rows=0)).header == b""


def test_the_same_columns_in_another_order_are_aligned() -> None:
    rows = joined(unit(0, "a", "b", "c"), unit(1, "c", "a", "b"))
    assert rows.parts[1].order == (1, 2, 0)
    assert rows.needs_aligning


def test_other_columns_cannot_be_joined_and_say_what_differs() -> None:
    good, other = unit(0, "a", "b"), unit(1, "a", "c")
    rows = joined(good, other)
    assert [part.unit for part in rows.parts] == [0]
    assert rows.fault(good) is None
    assert "it lacks b and it has c besides" in str(rows.fault(other))
    assert not ResultRows(True, ("a", "b"), settled=True).add(other)


@given(
    st.lists(
        st.builds(
            Part,
            st.integers(0, 2**40),
            st.builds(Block, id=st.text(), length=st.integers(0, 2**40), digest=st.text()),
            st.integers(0, 2**40),
            st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
        )
    )
)
def test_parts_are_packed_and_come_out_as_they_went_in(some: list[Part]) -> None:
    parts = Parts()
    for part in some:
        parts.append(part)
    assert list(parts) == some
    assert list(parts.block_ids) == [part.block.id for part in some]
    assert parts.length == sum(part.block.length for part in some)
    assert parts.are_in_order == all(part.order is None for part in some)


_types = st.tuples(*[st.sampled_from(["null", "int64", "double", "string"])] * 2)


@given(st.lists(st.tuples(st.permutations(["a", "b"]), _types)))
def test_what_did_not_fit_when_it_came_is_told_of_in_the_end_and_nothing_else(
    given_types: list[tuple[list[str], tuple[str, str]]],
) -> None:
    rows = ResultRows(with_columns=True)
    taken = []
    for number, (columns, types) in enumerate(given_types):
        block = Block(id=block_id(number, 0), length=1, digest="")
        record = UnitRecord(block=block, columns=tuple(columns), types=types, tally=Tally(rows=1))
        one = Unit(ordinal=number, lease_until=0, record=record)
        taken.append((one, rows.add(one)))
    assert all((rows.fault(one) is None) == fitted for one, fitted in taken)
    assert [part.unit for part in rows.parts] == [one.ordinal for one, fitted in taken if fitted]


def test_what_is_held_of_a_units_rows_is_small() -> None:
    def one(number: int) -> Unit:
        block = Block(id=block_id(number, 0), length=9_000, digest=f"{number:064x}")
        record = UnitRecord(block=block, columns=("a", "b"), tally=Tally(rows=2))
        return Unit(ordinal=number, lease_until=0, record=record)

    rows, count = joined(one(0)), 2_000
    tracemalloc.start()
    try:
        for number in range(1, count + 1):
            rows.add(one(number))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 250 * count


def test_text_has_no_header_and_any_columns() -> None:
    rows = joined(unit(0, "a"), unit(1, "b"), with_columns=False)
    assert rows.header == b""
    assert [part.unit for part in rows.parts] == [0, 1]


async def _pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def test_a_newline_inside_quotes_ends_no_row() -> None:
    assert split_rows('a,"b\nc') == ("", 'a,"b\nc')
    assert split_rows('1\na,"b\nc') == ("1\n", 'a,"b\nc')
    assert split_rows('a,"b""\nc"\nd') == ('a,"b""\nc"\n', "d")


@given(
    table=st.lists(
        st.tuples(*[st.text(st.sampled_from('aé,"\n\r€ '), max_size=6) for _ in range(3)]),
        max_size=8,
    ),
    size=st.integers(1, 9),
)
async def test_aligned_rows_are_the_same_values_in_another_order(
    table: list[tuple[str, ...]], size: int
) -> None:
    content = "".join(row(values) for values in table).encode()
    pieces = [p async for p in aligned(_pieces(content, size), (2, 0, 1), piece=20)]
    found = _read(b"".join(pieces).decode())
    assert found == [[c, a, b] for a, b, c in table]


def _read(text: str) -> list[list[str]]:
    lines: Iterable[str] = io.StringIO(text, newline="")
    return list(csv.reader(lines))
