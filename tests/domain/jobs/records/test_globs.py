import pytest

from domain.jobs.records.globs import NameFilter, glob_fault
from tests.domain.jobs.finishing.ending import ends


@pytest.mark.parametrize(
    ("glob", "taken", "left"),
    [
        ("*.csv", ["a.csv", ".csv"], ["d/a.csv", "a.csvx", "A.CSV"]),
        ("**/*.csv", ["a.csv", "d/a.csv", "d/e/f/a.csv"], ["a.txt", "d.csv/a"]),
        ("2026/**", ["2026/a", "2026/x/y"], ["2025/a", "x/2026/a"]),
        ("2026/*/part-?.csv", ["2026/x/part-1.csv"], ["2026/part-1.csv", "2026/x/part-10.csv"]),
        ("**/logs/**/[!.]*", ["logs/a", "x/logs/y/z/a"], ["logs/.a", "log/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/x/b/c"]),
        ("**", ["a", "a/b"], []),
        ("a[0-9].x", ["a1.x"], ["ab.x", "a10.x"]),
        ("a+(b).c", ["a+(b).c"], ["aab.c"]),
        ("ä*\n", ["äb\n"], ["äb"]),
    ],
)
def test_globs_match_whole_names_below_the_input(
    glob: str, taken: list[str], left: list[str]
) -> None:
    assert glob_fault(glob) is None
    including, excluding = NameFilter([glob], []), NameFilter([], [glob])
    assert [n for n in taken + left if including.takes(n)] == taken
    assert [n for n in taken + left if excluding.takes(n)] == left


def test_what_is_excluded_stays_out_even_if_it_is_included() -> None:
    filter = NameFilter(["**/*.csv", "**/*.parquet"], ["old/**", "**/_*"])
    names = ["a.csv", "b.parquet", "old/c.csv", "x/_tmp.csv", "d.txt"]
    assert [n for n in names if filter.takes(n)] == ["a.csv", "b.parquet"]
    assert NameFilter([], []).is_all


@pytest.mark.parametrize(
    ("glob", "why"),
    [
        ("", "1 to 500"),
        ("a" * 501, "1 to 500"),
        ("/a", "relative"),
        ("a/", "'**' after the last"),
        ("a//b", "empty segment"),
        ("../a", "'..'"),
        ("a/**.csv", "alone between slashes"),
        ("a**/b", "alone between slashes"),
    ],
)
def test_a_glob_that_cannot_match_is_refused_with_its_reason(glob: str, why: str) -> None:
    assert why in (glob_fault(glob) or "")


def test_no_glob_takes_long_over_a_name() -> None:
    ends(look_at_names_with_globs_that_might_match_in_many_ways)


def look_at_names_with_globs_that_might_match_in_many_ways() -> None:
    names = ["a" * 1000, "/".join("a" * 250), "a/" * 100 + "d"]
    for glob in ("*a" * 200 + "b", "/".join(["**", "*a"] * 60) + "/b", "**/" * 100 + "c"):
        assert not any(NameFilter([glob], []).takes(name) for name in names)
