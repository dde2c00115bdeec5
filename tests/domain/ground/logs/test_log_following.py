"""Reading a log from a cursor on: each line once, whatever comes at the same time."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.ground.logs.log_cursor import LogCursor
from domain.ground.logs.log_following import followed, page
from domain.ground.logs.log_lines import Level, LogFilter, parsed

ALL = LogFilter()


def stamped(second: int, process: str, text: str) -> str:
    return f"2026-01-31T12:00:{second:02}.000Z {process} - {text}"


class Log:
    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)

    async def tail(self, count: int) -> str:
        return "\n".join(self.lines[-count:])


async def read(log: Log, cursor: str | None, wanted: LogFilter = ALL) -> tuple[list[str], str]:
    found = await page(log.tail, cursor, wanted, 1000)
    assert not found.missed
    return [line.text for line in found.lines], found.cursor


async def test_what_came_after_is_given_once() -> None:
    log = Log(stamped(1, "a", "one"), stamped(1, "a", "two"), stamped(1, "b", "three"))
    texts, cursor = await read(log, None)
    assert texts == ["one", "two", "three"]
    assert await read(log, cursor) == ([], cursor)
    log.lines += [stamped(1, "a", "four"), stamped(2, "b", "five"), stamped(1, "c", "six")]
    texts, cursor = await read(log, cursor)
    assert texts == ["four", "five", "six"]
    assert (await read(log, cursor))[0] == []


async def test_lines_without_a_time_go_by_their_number() -> None:
    log = Log("Solving", "Downloading")
    _, cursor = await read(log, None)
    log.lines.append("Installed")
    texts, cursor = await read(log, cursor)
    assert texts == ["Installed"]
    log.lines.append("Checked")
    end = Log(*log.lines[-2:])
    assert (await read(end, cursor))[0] == ["Checked"]
    another = Log("Solving", "Found", "Done", "Done")
    assert (await read(another, cursor))[0] == another.lines


async def test_a_filter_leaves_lines_out_for_good() -> None:
    log = Log(stamped(1, "a", "ERROR one"), stamped(2, "a", "two"))
    texts, cursor = await read(log, None, LogFilter(level=Level.ERROR))
    assert texts == ["ERROR one"]
    assert (await read(log, cursor))[0] == []


async def test_more_than_is_kept_is_told() -> None:
    log = Log(stamped(1, "a", "one"))
    _, cursor = await read(log, None)
    log.lines = [stamped(2, "a", "three")]
    found = await page(log.tail, cursor, ALL, 10)
    assert found.missed
    assert [line.text for line in found.lines] == ["three"]


async def test_who_waits_is_told_as_soon_as_something_comes() -> None:
    log = Log(stamped(1, "a", "one"))
    _, cursor = await read(log, None)
    waiting = asyncio.create_task(followed(log.tail, cursor, ALL, 10, wait=1000))
    await asyncio.sleep(0)
    log.lines.append(stamped(1, "a", "two"))
    assert [line.text for line in (await waiting).lines] == ["two"]


@pytest.mark.parametrize("text", ["x", "", "é", "AAAA"])
async def test_a_cursor_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        await page(Log().tail, text, ALL, 10)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=20).map(sorted),
    st.lists(st.integers(0, 20), max_size=5).map(sorted),
)
def test_however_it_is_cut_every_line_is_given_once(
    events: list[tuple[int, str]], cuts: list[int]
) -> None:
    lines = [stamped(at, process, str(n)) for n, (at, process) in enumerate(events)]
    cursor, given_lines = LogCursor(), []
    for cut in [*cuts, len(lines)]:
        new, cursor, missed = cursor.after(list(parsed(lines[:cut])))
        assert not missed
        given_lines += [line.whole for line in new]
        cursor = LogCursor.read(str(cursor))
    assert sorted(given_lines) == sorted(lines)
