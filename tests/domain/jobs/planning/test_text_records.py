"""Pieces of text files against Python's own csv and json readers."""

import csv
import io
import sys
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.jobs.planning.row_formats import RowFormat, RowsUnreadable, format_of
from domain.jobs.planning.text_records import TextRecords
from domain.ports import InputPiece
from tests.domain.jobs.finishing.ending import ends

CELLS = st.lists(st.sampled_from([*'ab,"; é\n', "\r\n"]), max_size=8).map("".join)
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=30)


def pieces(content: bytes, size: int, format: RowFormat, steps: list[int]) -> list[InputPiece]:
    """As they come when the content comes in steps of these lengths, again and again."""
    records = TextRecords(format, size, "x")
    found: list[InputPiece] = []
    at = turn = 0
    while at < len(content):
        step = steps[turn % len(steps)]
        found += records.feed(content[at : at + step])
        at, turn = at + step, turn + 1
    return found + records.end()


def read(content: bytes) -> list[list[str]]:
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return [row for row in csv.reader(text) if row]


def check(content: bytes, size: int, steps: list[int]) -> None:
    """Each piece read alone, with its header, gives its rows, and all give the file's."""
    header, *rows = read(content)
    found = pieces(content, size, RowFormat.CSV, steps)
    joined: list[list[str]] = []
    end = found[0].header
    for piece in found:
        assert piece.first_row == len(joined)
        assert piece.offset == end
        end = piece.offset + piece.length
        alone = read(content[: piece.header] + content[piece.offset : end])
        assert alone[0] == header
        assert len(alone) - 1 == piece.rows
        joined += alone[1:]
    assert end == len(content)
    assert joined == rows
    assert [p.rows for p in found[:-1]] == [size] * (len(found) - 1)
    assert found[-1].rows or len(found) == 1


@settings(max_examples=300, deadline=None)
@given(
    table=TABLES,
    size=st.integers(1, 70),
    steps=st.lists(st.integers(1, 400), min_size=1, max_size=4),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
    ended=st.booleans(),
    blanks=st.integers(0, 2),
)
def test_pieces_of_csv_hold_every_record_once_in_order(
    table: list[list[str]],
    size: int,
    steps: list[int],
    quoting: Literal[0, 1],
    newline: str,
    bom: bool,
    ended: bool,
    blanks: int,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=newline * (blanks + 1))
    writer.writerows([["name", "note"], *table])
    content = text.getvalue()
    if not ended:
        content = content.rstrip("\r\n")
        if content.count('"') % 2:
            return  # the last field ended in newlines of its own
    check(b"\xef\xbb\xbf" * bom + content.encode(), size, steps)


@pytest.mark.parametrize(
    "content",
    [
        b'h,i\n5" pipe,1\n6" pipe,2\n7"x"y",3\n',  # quotes within a field are characters
        b'h;i\n"a";"b\nc"\n"d";"e"\n',
        b'h\ti\n"a"\t"b\n\nc"\n"d"\t""\n',
        b'h,i\n"he said ""no\n""",1\n"",2\n',
        b'h,i\n"a"b"c,1\nd,2\n',
        b"h,i",
        b"h,i\n",
        b"\n\nh,i\n\n\n1,2\n\n3,4\n",
        b"h\n" + b"1\n" * 5000,
        b"h,i\n" + b'"1","2"\n' * 1000,
    ],
)
@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 1000, 4999, 5000])
def test_odd_csv_is_cut_where_readers_see_records(content: bytes, size: int) -> None:
    for steps in ([1], [7, 3], [10**6]):
        if len(content) > 100 and steps != [10**6]:
            continue
        lone = content.replace(b";", b",").replace(b"\t", b",")
        found = pieces(content, size, RowFormat.CSV, steps)
        assert sum(p.rows for p in found) == len(read(lone)) - 1
        assert sum(p.length for p in found) + found[0].header == len(content)
        check(lone, size, steps)


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(st.sampled_from([b'{"a": "\\n\\""}', b"[1]", b"", b'"']), max_size=30),
    size=st.integers(1, 9),
    steps=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    newline=st.sampled_from([b"\n", b"\r\n"]),
    ended=st.booleans(),
)
def test_pieces_of_lines_hold_every_line_once_in_order(
    lines: list[bytes], size: int, steps: list[int], newline: bytes, ended: bool
) -> None:
    content = newline.join(lines) + newline * ended
    found = pieces(content, size, RowFormat.LINES, steps)
    rows = [line for line in lines if line]
    joined: list[bytes] = []
    for piece in found:
        assert piece.first_row == len(joined)
        part = content[piece.offset : piece.offset + piece.length]
        own = [line for line in part.replace(b"\r\n", b"\n").split(b"\n") if line]
        assert len(own) == piece.rows
        joined += own
    assert joined == rows
    assert sum(p.length for p in found) == len(content)


def test_a_file_of_no_more_rows_is_one_piece() -> None:
    content = b"h\n1\n2\n3\n"
    assert len(pieces(content, 3, RowFormat.CSV, [4])) == 1
    assert [p.rows for p in pieces(content, 2, RowFormat.CSV, [4])] == [2, 1]
    [empty] = pieces(b"", 3, RowFormat.CSV, [1])
    assert empty.rows == 0


def test_what_is_not_utf_8_or_never_closes_a_quote_is_refused_with_its_reason() -> None:
    with pytest.raises(RowsUnreadable, match="UTF-16"):
        TextRecords(RowFormat.CSV, 9, "x.csv").feed("h,i\n".encode("utf-16"))
    records = TextRecords(RowFormat.CSV, 9, "x.csv")
    records.feed(b'h,i\n"')
    records.feed(b"a\n" * 2**22)
    with pytest.raises(RowsUnreadable, match="a quote may not be closed"):
        records.feed(b"a\n" * 2**22)


def test_a_pathological_file_is_read_in_time_in_proportion_to_its_length() -> None:
    ends(read_pathological_files)


def read_pathological_files() -> None:
    for content in (b'"' * 2**20, b'a"' * 2**19, b'"",' * 2**19, b"\n" * 2**20, b',"\n' * 2**18):
        pieces(content, 100, RowFormat.CSV, [2**18])


def test_a_record_that_does_not_end_is_looked_at_a_few_times_however_it_comes() -> None:
    looks = 0

    def count(_: object, event: str, called: Any) -> None:
        nonlocal looks
        looks += event == "c_call" and called.__name__ == "match"

    records = TextRecords(RowFormat.CSV, 9, "x.csv")
    records.feed(b'h,i\n"')
    sys.setprofile(count)
    try:
        for _ in range(4096):
            records.feed(b'""a\n' * 64)
    finally:
        sys.setprofile(None)
    assert 10 < looks < 40
    assert records.feed(b'"\n1\n') == []
    assert [piece.rows for piece in records.end()] == [2]


@pytest.mark.parametrize("name", ["a", "b.txt", "c.csv.gz", "csv", ".d/e", "f."])
def test_names_that_tell_of_no_rows_are_refused(name: str) -> None:
    with pytest.raises(RowsUnreadable, match="is none of them"):
        format_of(name)
    assert format_of("x/A.CSV") is RowFormat.CSV
    assert format_of("x.PARQUET") is RowFormat.PARQUET
