"""The first rows of files, of whatever kind, from their beginning alone."""

import pytest

from domain.jobs.results.first_rows import FirstRows, first_rows, kind_of


def rows(name: str, content: bytes, most: int = 2, *, is_whole: bool = True) -> FirstRows:
    return first_rows(name, content, is_whole=is_whole, most=most)


def test_a_csv_file_has_columns_and_values_with_line_breaks() -> None:
    content = b'a,b\n1,"x\ny"\n2,z\n3,w\n'
    assert rows("p.csv", content) == FirstRows(
        "csv", ["a", "b"], [["1", "x\ny"], ["2", "z"]], False
    )
    assert rows("p.csv", content, 3).is_whole
    assert rows("p.csv", b"") == FirstRows("csv", [], [], True)


def test_half_a_line_is_none() -> None:
    assert rows("p.csv", b"a,b\n1,2\n3,", 5, is_whole=False).rows == [["1", "2"]]
    assert rows("p.jsonl", b'{"a": 1}\n{"a"', 5, is_whole=False).rows == [{"a": 1}]


def test_json_lines_are_values_and_what_is_none_is_text() -> None:
    found = rows("p.jsonl", b'{"a": [1]}\nno json\n')
    assert found == FirstRows("jsonl", None, [{"a": [1]}, "no json"], True)


def test_long_values_are_cut() -> None:
    assert len(rows("p.txt", b"x" * 100_000).rows[0]) == 4001
    assert len(rows("p.csv", b"a\n" + b"y" * 10_000 + b"\n").rows[0][0]) == 4001
    assert not rows("p.csv", b"a\n" + b"y" * 200_000 + b"\n").is_whole


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.parquet", b"PAR1", "parquet"),
        ("a.PNG", b"\x89PNG", "image"),
        ("a.bin", b"\xff\xfe\x00" * 10, "binary"),
        ("a.txt", "é".encode() * 5000, "text"),
        ("a.txt", b"x" * 4095 + "é".encode(), "text"),
        ("a.ndjson", b"1\n", "jsonl"),
    ],
)
def test_a_file_is_of_the_kind_that_its_name_and_its_bytes_say(
    name: str, content: bytes, kind: str
) -> None:
    assert kind_of(name, content) == kind
