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

    def forget(self, worker: str, line: bytes) -> None:
        """What was the last word of this process stays out of answers."""
        with self._lock:
            for number in range(len(self._pieces) - 1, -1, -1):
                seen, whose, content = self._pieces[number]
                if whose == worker:
                    if content.endswith(line):
                        self._pieces[number] = (seen, whose, content[: -len(line)])
                    return

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
            found.append(Line(seen, NOBODY, worker, first[:_LONGEST_LINE]))
        for each in stamped:
            stamp = _STAMP.match(MARK + each)
            if stamp is None:
                found.append(Line(seen, NOBODY, worker, each[:_LONGEST_LINE]))
            else:
                text = each[stamp.end() - 1 :][:_LONGEST_LINE]
                found.append(Line(stamp[1], stamp[2], worker, text))
    return found


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
        self._sources: dict[int, _Source] = {}
        self._wake_reads, self._wake_writes = os.pipe()
        self._selector.register(self._wake_reads, selectors.EVENT_READ)
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def take(self, descriptor: int, worker: str) -> _Source:
        """Read it to its end, and close it."""
        source = _Source(descriptor, worker)
        with self._lock:
            self._sources[descriptor] = source
        os.write(self._wake_writes, b"\0")
        return source

    def _run(self) -> None:
        known: set[int] = set()
        while True:
            for key, _ in self._selector.select():
                if key.fd == self._wake_reads:
                    os.read(self._wake_reads, 4096)
                    with self._lock:
                        for descriptor in self._sources.keys() - known:
                            self._selector.register(descriptor, selectors.EVENT_READ)
                            known.add(descriptor)
                    continue
                source = self._sources[key.fd]
                try:
                    content = os.read(key.fd, _PIECE)
                except OSError:
                    content = b""
                lines = source.lines(content)
                if lines:
                    self._log.put(source.worker, lines)
                if not content:
                    self._selector.unregister(key.fd)
                    known.discard(key.fd)
                    with self._lock:
                        del self._sources[key.fd]
                    os.close(key.fd)
                    source.ended.set()


class _Source:
    def __init__(self, descriptor: int, worker: str) -> None:
        self.descriptor = descriptor
        self.worker = worker
        self.ended = threading.Event()
        self._rest = b""

    def lines(self, content: bytes) -> bytes:
        """What is whole by now; all of it at the end."""
        whole, ended, rest = content.rpartition(b"\n")
        if ended:
            lines, self._rest = self._rest + whole + b"\n", rest
            return lines
        self._rest += content
        if self._rest and (not content or len(self._rest) > _LONGEST_LINE * 4):
            lines, self._rest = self._rest + b"\n", b""
            return lines
        return b""


def outlet() -> Outlet:
    """A copy of its own of standard output: nobody can close it under its feet."""
    return Outlet(os.dup(sys.stdout.fileno() if sys.stdout is not None else 1))
