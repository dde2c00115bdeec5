"""Following a log by its tail."""

import pytest

from cli.commands.daily.logs import following


@pytest.mark.parametrize(
    ("seen", "now", "new"),
    [
        (["a", "b"], ["a", "b", "c"], ["c"]),
        (["a", "b"], ["b", "c"], ["b", "c"]),
        (["a", "b"], ["a", "b"], []),
        ([], ["a"], ["a"]),
        (["x"] * 3, ["x"] * 3, []),
        (["a", "x", "x"], ["a", "x", "x", "a", "x", "x", "y"], ["y"]),
    ],
)
def test_lines_that_were_seen_are_not_shown_again(
    seen: list[str], now: list[str], new: list[str]
) -> None:
    assert following(seen, now) == new
