"""What the processes of a node print, and what the agent says: the end of it in memory, all of
it on the container's own standard output.

A thread reads what is printed, so that a flood takes nothing from the door; another writes it
out, so that a reader who stands still holds up nobody: past a bound lines are left out there, and
counted.
"""

from __future__ import annotations

import os
import re
import selectors
import sys
import threading
import time
from collections import deque
from typing import NamedTuple

from ..server.printing import MARK

NOBODY = "-"
KEPT = 4 << 20
LONGEST_ANSWER = 1 << 20
_LONGEST_LINE = 16 << 10
_PIECE = 256 << 10
_AHEAD = 4 << 20
_UNENDED = 1.0
"""Seconds for which nothing is printed, until a line that was not ended is shown."""
_STAMP = re.compile(r"\x1e(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S{1,1000})\x1f")
_STAMPS = re.compile(rb"\x1e[^\x1e\x1f\n]{0,1100}\x1f")


class Line(NamedTuple):
    """`time` is RFC 3339 in UTC, `request` and `worker` are `-` for nobody's."""

    time: str
    request: str
    worker: str
    text: str


def written_time(seconds: float) -> str:
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int(seconds % 1 * 1000):03}Z"


class Log:
    """The last `KEPT` bytes of one kind. Any thread may write, any may read."""

    def __init__(self, out: Outlet) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._pieces: deque[tuple[float, str, bytes]] = deque()
        self._size = 0

    def put(self, worker: str, lines: bytes) -> None:
        """Whole lines, as they were printed."""
        with self._lock:
            self._pieces.append((time.time(), worker, lines))
            self._size += len(lines)
            while self._size > KEPT and len(self._pieces) > 1:
                self._size -= len(self._pieces.popleft()[2])
        self._out.put(_STAMPS.sub(b"", lines))

    def forget(self, worker: str, end: bytes) -> None:
        """What was the last word of this process stays out of answers; nothing is changed where
        it ended otherwise."""
        with self._lock:
            numbers, said = [], b""
            for number in range(len(self._pieces) - 1, -1, -1):
                if len(said) >= len(end):
                    break
                _, whose, content = self._pieces[number]
                if whose == worker:
                    numbers.append(number)
                    said = content + said
            if not end or not said.endswith(end):
                return
            left = len(end)
            for number in numbers:
                seen, whose, content = self._pieces[number]
                kept = content[: max(0, len(content) - left)]
                left -= len(content) - len(kept)
                self._size -= len(content) - len(kept)
                self._pieces[number] = (seen, whose, kept)

    def note(self, text: str) -> None:
        """The agent's own words."""
        self.put(NOBODY, f"[ml-endpoints] {text}\n".encode("utf-8", "backslashreplace"))

    def tail(self, count: int) -> list[Line]:
        """The last lines in the order of their times, at most `LONGEST_ANSWER` of text."""
        found: list[Line] = []
        size = 0
        with self._lock:
            pieces = list(self._pieces)
        for seen, worker, content in reversed(pieces):
            if len(found) >= count or size > LONGEST_ANSWER:
                break
            size += len(content)
            found.extend(reversed(_lines(content, written_time(seen), worker)))
        found.reverse()
        found.sort(key=lambda line: line.time)
        return found[-count:] if count else []

    def since(self, mark: float, worker: str) -> bytes:
        """What this process has printed since then, as it is."""
        with self._lock:
            pieces = [each for each in self._pieces if each[1] == worker and each[0] >= mark]
        return b"".join(content for _, _, content in pieces)[-LONGEST_ANSWER:]


def plain(content: bytes) -> bytes:
    """Without stamps."""
    return _STAMPS.sub(b"", content)


def _lines(content: bytes, seen: str, worker: str) -> list[Line]:
    found = []
    for raw in content.decode("utf-8", "replace").split("\n")[:-1]:
        first, *stamped = raw.split(MARK)
        if first or not stamped:
            found += [Line(seen, NOBODY, worker, part) for part in _parts(first)]
        for each in stamped:
            stamp = _STAMP.match(MARK + each)
            time, request = (stamp[1], stamp[2]) if stamp else (seen, NOBODY)
            text = each[stamp.end() - 1 :] if stamp else each
            found += [Line(time, request, worker, part) for part in _parts(text)]
    return found


def _parts(text: str) -> list[str]:
    """A line that overwrites itself, as a bar of progress does, is several."""
    parts = [part for part in text.split("\r") if part] if "\r" in text else [text]
    return [part[:_LONGEST_LINE] for part in parts or [""]]


class Outlet:
    """The container's standard output, for those who read logs there."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._left_out = 0
        self._wakes = threading.Condition()
        self._busy = False
        threading.Thread(target=self._run, name="outlet", daemon=True).start()

    def put(self, lines: bytes) -> None:
        with self._wakes:
            if self._size > _AHEAD:
                self._left_out += lines.count(b"\n")
                return
            if self._left_out:
                told = f"[ml-endpoints] {self._left_out} lines are left out here\n".encode()
                lines, self._left_out = told + lines, 0
            self._waiting.append(lines)
            self._size += len(lines)
            self._wakes.notify_all()

    def flush(self, seconds: float) -> None:
        """Wait for what is on its way, if somebody takes it."""
        with self._wakes:
            self._wakes.wait_for(lambda: not (self._waiting or self._busy), seconds)

    def _run(self) -> None:
        while True:
            with self._wakes:
                self._wakes.wait_for(lambda: bool(self._waiting))
                content = b"".join(self._waiting)
                self._waiting.clear()
                self._size, self._busy = 0, True
            self._write(content)
            with self._wakes:
                self._busy = False
                self._wakes.notify_all()

    def _write(self, content: bytes) -> None:
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError:
            return  # nobody reads there; what is kept is at the door


class Pump:
    """Reads what processes print until they and all that have their output end."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._sources: dict[int, Source] = {}
        self._new: list[Source] = []
        self._wake_reads, self._wake_writes = os.pipe()
        self._selector.register(self._wake_reads, selectors.EVENT_READ)
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def take(self, descriptor: int, worker: str) -> Source:
        """Read it to its end, and close it."""
        source = Source(descriptor, worker)
        with self._lock:
            self._new.append(source)
        os.write(self._wake_writes, b"\0")
        return source

    def _run(self) -> None:
        while True:
            ready = self._selector.select(_UNENDED)
            for key, _ in ready:
                if key.fd == self._wake_reads:
                    self._take_new()
                else:
                    self._read(self._sources[key.fd])
            if not ready:
                for source in list(self._sources.values()):
                    self._put(source, source.unended())

    def _take_new(self) -> None:
        os.read(self._wake_reads, 4096)
        with self._lock:
            new, self._new = self._new, []
        for source in new:
            self._sources[source.descriptor] = source
            self._selector.register(source.descriptor, selectors.EVENT_READ)

    def _read(self, source: Source) -> None:
        try:
            content = os.read(source.descriptor, _PIECE)
        except OSError:
            content = b""
        self._put(source, source.lines(content))
        if not content:
            self._put(source, source.unended())
            self._selector.unregister(source.descriptor)
            del self._sources[source.descriptor]
            os.close(source.descriptor)
            source.ended.set()

    def _put(self, source: Source, lines: bytes) -> None:
        if lines:
            self._log.put(source.worker, lines)


class Source:
    """What one process prints; `ended` once it prints no more."""

    def __init__(self, descriptor: int, worker: str) -> None:
        self.descriptor = descriptor
        self.worker = worker
        self.ended = threading.Event()
        self._rest = b""

    def lines(self, content: bytes) -> bytes:
        """What is whole by now."""
        whole, ended, rest = content.rpartition(b"\n")
        if ended:
            lines, self._rest = self._rest + whole + b"\n", rest
            return lines
        self._rest += content
        return self.unended() if len(self._rest) > _LONGEST_LINE * 4 else b""

    def unended(self) -> bytes:
        """The line that nobody has ended, as if it were."""
        lines, self._rest = self._rest and self._rest + b"\n", b""
        return lines


def outlet() -> Outlet:
    """A copy of its own of standard output: nobody can close it under its feet."""
    return Outlet(os.dup(sys.stdout.fileno() if sys.stdout is not None else 1))
