"""Lines of a log, with time, process, request and level."""

import pytest

from domain.ground.logs.log_lines import Level, LogFilter, parsed

AT = "2026-01-31T12:00:00.000Z"


def levels(*texts: str) -> list[Level]:
    return [line.level for line in parsed(f"{AT} blue-0 r {text}" for text in texts)]


def test_a_line_says_when_who_and_for_which_request() -> None:
    [line, nobodys, plain] = parsed([f"{AT} blue-0 r1 a b", f"{AT} blue-0 - ", "Solving"])
    assert (line.time, line.process, line.request, line.text) == (AT, "blue-0", "r1", "a b")
    assert (nobodys.request, nobodys.text) == ("", "")
    assert (plain.time, plain.process, plain.text) == ("", "", "Solving")


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("WARNING:root:low", Level.WARNING),
        ("2026-01-31 12:00:00 [ERROR] x", Level.ERROR),
        ('{"level": "debug", "m": 1}', Level.DEBUG),
        ("KeyError: 'a'", Level.ERROR),
        ("sklearn.exceptions.NotFittedError: x", Level.ERROR),
        ("errors were none", Level.INFORMATION),
        ("", Level.INFORMATION),
    ],
)
def test_levels_are_found_as_loggers_write_them(text: str, level: Level) -> None:
    assert levels(text) == [level]


def test_a_traceback_is_an_error_to_its_end() -> None:
    trace = ("Traceback (most recent call last):", '  File "score.py"', "    x()", "ValueError: no")
    assert levels(*trace, "scored") == [Level.ERROR] * 4 + [Level.INFORMATION]


def test_filters_hold_together() -> None:
    texts = (f"{AT} blue-0 r1 WARNING Low", f"{AT} blue-1 r1 low", f"{AT} blue-0 r2 ERROR low")
    lines = list(parsed(texts))
    wanted = LogFilter(level=Level.WARNING, process="blue-0", contains="LOW")
    assert [line.request for line in lines if wanted.takes(line)] == ["r1", "r2"]
    assert [wanted.takes(line) for line in lines if LogFilter(request="r1").takes(line)]
    assert not any(LogFilter(since="2026-01-31T12:00:00.001Z").takes(line) for line in lines)
