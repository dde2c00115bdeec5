"""The lines of an instance's log: what the runtime stamps them with (runtime/server/printing.py)
is taken off, and lines that came without a stamp have the time at which they were first seen.

Nothing of what a process writes can be wrong: half lines, bytes that are no text, and lines
without end are shown as far as they go.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

NOBODY: Final = "-"
"""In place of a request's id."""

LONGEST: Final = 16 * 1024
"""Characters of one line that are shown."""

_MARK: Final = "\x1e"
_END: Final = "\x1f"
_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S{1,1000})\x1f")
_STAMPS: Final = re.compile(rb"\x1e[^\x1e\x1f\n]{0,1100}\x1f")


@dataclass(frozen=True, slots=True)
class Line:
    """`time` in UTC, as RFC 3339 has it with milliseconds: in order of it is in order of time."""

    time: str
    request: str
    text: str


def written_time(seconds: float) -> str:
    """Unix time as lines have it."""
    now = datetime.fromtimestamp(seconds, UTC)
    return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"


def stamped(text: str, seconds: float) -> bytes:
    """A line as the runtime would write it, for no request."""
    return f"{_MARK}{written_time(seconds)} {NOBODY}{_END}{text}\n".encode(errors="replace")


def plain(content: bytes) -> bytes:
    """What was printed, without stamps."""
    return _STAMPS.sub(b"", content)


def lines_of(content: bytes, seen_by: Callable[[int], float | None]) -> list[Line]:
    """In order. `seen_by` says when the byte at an offset of `content` was first seen to be there,
    where that is known."""
    found: list[Line] = []
    offset, following = len(content), "~"
    for raw in reversed(content.removesuffix(b"\n").split(b"\n") if content else []):
        offset -= len(raw) + 1
        for stamp, text in reversed(list(_pieces(raw))):
            if stamp is None:
                seen = seen_by(max(offset, 0))
                time = min(written_time(seen), following) if seen else ""
                request = NOBODY
            else:
                time, request = following, _ = stamp
            found += [Line(time, request, part) for part in reversed(list(_parts(text)))]
    found.reverse()
    return _in_order(found)


def _pieces(raw: bytes) -> Iterator[tuple[tuple[str, str] | None, str]]:
    """Of a line that somebody began before another had ended: each with its stamp, if any."""
    first, *marked = raw.decode("utf-8", "replace").split(_MARK)
    if first or not marked:
        yield None, first.rpartition(_END)[2]
    for piece in marked:
        stamp = _STAMP.match(piece)
        yield (stamp and (stamp[1], stamp[2])), piece[stamp.end() :] if stamp else piece


def _in_order(lines: list[Line]) -> list[Line]:
    """Whose time is not known has that of the line before; the first, of the first that is."""
    last = next((line.time for line in lines if line.time), written_time(0))
    for number, line in enumerate(lines):
        if not line.time:
            lines[number] = Line(last, line.request, line.text)
        else:
            last = line.time
    return lines


def _parts(text: str) -> Iterator[str]:
    """A line that overwrites itself, as a bar of progress does, is several."""
    parts = text.split("\r") if "\r" in text else [text]
    for part in [part for part in parts if part] or [""]:
        if len(part) > LONGEST:
            yield f"{part[:LONGEST]}... ({len(part) - LONGEST} characters more)"
        else:
            yield part
