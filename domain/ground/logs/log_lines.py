"""What processes have printed, line by line, as computes give it: `time process request text`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NOBODY: Final = "-"

_LINE: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S{1,300}) (\S{1,1000})(?: |$)"
)
_LEVEL: Final = re.compile(
    r"(?:^|[\s\[|:\"'])(DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)(?:$|[\s\]|:\"',])",
    re.IGNORECASE,
)
_ERROR: Final = re.compile(r"(?:[\w.]{0,200}\.)?\w{0,100}(?:Error|Exception)(?::|$)")
_TRACEBACK: Final = "Traceback (most recent call last)"
_LOOKED: Final = 80
"""Characters at a line's beginning in which its level may stand."""


class Level(StrEnum):
    DEBUG = "Debug"
    INFORMATION = "Information"
    WARNING = "Warning"
    ERROR = "Error"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS: Final = {level: rank for rank, level in enumerate(Level)}
_WORDS: Final = {
    "DEBUG": Level.DEBUG,
    "INFO": Level.INFORMATION,
    "WARN": Level.WARNING,
    "WARNING": Level.WARNING,
    "ERROR": Level.ERROR,
    "CRITICAL": Level.ERROR,
    "FATAL": Level.ERROR,
}


@dataclass(frozen=True, slots=True)
class LogLine:
    """`time` is RFC 3339 in UTC, '' where a line has none; `process` is '' for nobody's, and
    `request` for no request's. `whole` is the line as it was given."""

    time: str
    process: str
    request: str
    level: Level
    text: str
    whole: str


@dataclass(frozen=True)
class LogFilter:
    """What all who are shown lines may ask of them; what is None asks for nothing. `process` is an
    instance's, or a worker's, name or how it begins; `contains` is met in any case."""

    since: str | None = None
    level: Level | None = None
    process: str | None = None
    request: str | None = None
    contains: str | None = None

    def takes(self, line: LogLine) -> bool:
        if self.since is not None and line.time and line.time < self.since:
            return False
        if self.level is not None and line.level.rank < self.level.rank:
            return False
        if self.process is not None and not line.process.startswith(self.process):
            return False
        if self.request is not None and line.request != self.request:
            return False
        return self.contains is None or self.contains.casefold() in line.text.casefold()


def parsed(lines: Iterable[str]) -> Iterator[LogLine]:
    """In their order. A line that says no level has that of the line before of the same process and
    request where it goes on with that, as the lines of a traceback do."""
    before: dict[tuple[str, str], Level] = {}
    for whole in lines:
        found = _LINE.match(whole)
        time, process, request = found.groups() if found else ("", "", "")
        text = whole[found.end() :] if found else whole
        whose = process, request
        level = _level(text, before.get(whose))
        before[whose] = level
        yield LogLine(time, process, "" if request == NOBODY else request, level, text, whole)


def _level(text: str, before: Level | None) -> Level:
    if _TRACEBACK in text:
        return Level.ERROR
    if before is not None and text[:1].isspace():
        return before
    found = _LEVEL.search(text[:_LOOKED])
    if found is not None:
        return _WORDS[found[1].upper()]
    return Level.ERROR if _ERROR.match(text) else Level.INFORMATION
