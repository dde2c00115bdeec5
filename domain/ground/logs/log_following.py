"""Reading a log from a cursor on, and waiting for what comes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from domain.ground.logs.log_cursor import LogCursor
from domain.ground.logs.log_lines import LogFilter, LogLine, parsed

Tail = Callable[[int], Awaitable[str]]
"""The last so many lines of a log, as text."""

LONGEST_WAIT: Final = 20.0
"""Seconds."""
_PAUSE: Final = 0.5
_WINDOW: Final = 2_000
_WHOLE: Final = 10_000


@dataclass(frozen=True)
class LogPage:
    """`missed`: there was more between than is kept."""

    lines: list[LogLine]
    cursor: str
    missed: bool

    @property
    def content(self) -> str:
        return "\n".join(line.whole for line in self.lines)


async def page(tail: Tail, cursor: str | None, wanted: LogFilter, most: int) -> LogPage:
    """What came after `cursor` and is wanted; without one, the last `most` lines that are. Raises
    Invalid."""
    at = LogCursor() if cursor is None else LogCursor.read(cursor)
    window = _WHOLE if cursor is None else _WINDOW
    while True:
        text = await tail(window)
        new, after, missed = await asyncio.to_thread(_after, at, text)
        if not missed or window == _WHOLE:
            break
        window = _WHOLE
    lines = [line for line in new if wanted.takes(line)]
    if cursor is None:
        lines = lines[-most:] if most else []
    return LogPage(lines, str(after), missed)


async def followed(
    tail: Tail, cursor: str | None, wanted: LogFilter, most: int, *, wait: float
) -> LogPage:
    """`page`; where nothing is wanted of what is there, what comes within `wait` seconds."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + wait
    while True:
        found = await page(tail, cursor, wanted, most)
        left = ends - loop.time()
        if found.lines or left <= 0:
            return found
        cursor = found.cursor
        await asyncio.sleep(min(_PAUSE, left))


def _after(at: LogCursor, text: str) -> tuple[list[LogLine], LogCursor, bool]:
    return at.after(list(parsed(text.splitlines())))
