"""What one instance prints, kept in a file of bounded size.

The process writes to the file itself, so printing never waits for the host and the last words
of a killed process are kept. Past `limit` bytes the file's end is kept aside and it starts
afresh; a flood can pass the limit by what it writes between two looks.
"""

import contextlib
import os
import time
from bisect import bisect_right
from collections import deque
from pathlib import Path
from typing import BinaryIO, Final

from infra.compute.local.processes.printed_lines import Line, lines_of, plain, stamped

LIMIT: Final = 16 * 1024 * 1024
_TAIL_BYTES: Final = 1024 * 1024
_LOOKS_KEPT: Final = 1000


class InstanceLog:
    """The log at `path`, and the part before it beside it."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self._path = path
        self._before = path.with_suffix(path.suffix + ".1")
        self._limit = limit
        self._seen: list[tuple[int, float]] = []

    def open(self) -> int:
        """A descriptor that appends to the log."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def note(self, line: str) -> None:
        """A line of the host's own; lost when the disk is full, as the process's are."""
        with contextlib.suppress(OSError):
            descriptor = self.open()
            try:
                os.write(descriptor, stamped(f"[ml-endpoints] {line}", time.time()))
            finally:
                os.close(descriptor)

    def position(self) -> int:
        """Where the next line will stand."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def since(self, position: int) -> bytes:
        """What came after `position`, at most the last 1 MiB of it; all of the log where it was
        cut meanwhile."""
        size = self.position()
        begin = position if position <= size else 0
        return _end_of(self._path, min(size - begin, _TAIL_BYTES))

    def replace_end(self, end: bytes, by: bytes) -> None:
        """Nothing is changed of a log that ends otherwise. For nobody to call while a process
        writes to it."""
        try:
            with self._path.open("r+b") as log:
                at = os.fstat(log.fileno()).st_size - len(end)
                if at < 0 or os.pread(log.fileno(), len(end), at) != end:
                    return
                log.truncate(at)
                log.seek(at)
                log.write(by)
        except OSError:
            return  # It stays as it is, which is longer and no less true.

    def look(self) -> None:
        """Note how much is there by now: when lines came that do not say so themselves."""
        size = self.position()
        if size != (self._seen[-1][0] if self._seen else 0):
            begun_anew = self._seen and size < self._seen[-1][0]
            kept = [] if begun_anew else self._seen[-_LOOKS_KEPT:]
            # Another one each time: it may be read by a thread meanwhile.
            self._seen = [*kept, (size, time.time())]

    def is_over(self) -> bool:
        try:
            return self._path.stat().st_size > self._limit
        except FileNotFoundError:
            return False

    def cut(self) -> None:
        """Keep the last `limit` bytes aside and empty the log. The writer's next line goes to
        its beginning, for it appends."""
        with self._path.open("r+b") as log:
            try:
                self._keep_end_of(log)
            except OSError:
                # No room to keep it: emptying the log is what makes some.
                self._before.unlink(missing_ok=True)
            log.truncate(0)

    def _keep_end_of(self, log: BinaryIO) -> None:
        size = os.fstat(log.fileno()).st_size
        log.seek(max(size - self._limit, 0))
        with self._before.open("wb") as before:
            left = min(size, self._limit)
            while left > 0 and (piece := log.read(min(left, 1024 * 1024))):
                before.write(piece)
                left -= len(piece)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        self._before.unlink(missing_ok=True)

    def tail(self, lines: int) -> str:
        """The last lines as they were printed, at most 1 MiB of them."""
        before, content = self._end(lines)
        kept: deque[str] = deque(maxlen=max(lines, 0))
        kept.extend(plain(before + content).decode("utf-8", "replace").splitlines())
        return "\n".join(kept)

    def lines(self, count: int) -> list[Line]:
        """`tail`, with time and request."""
        self.look()  # what is told once has its time from then on
        seen = self._seen
        begins = self.position()
        before, content = self._end(count)
        begins -= len(content)

        def seen_by(offset: int) -> float | None:
            if offset < len(before):
                return None
            place = bisect_right(seen, begins + offset - len(before), key=lambda each: each[0])
            return seen[place][1] if place < len(seen) else time.time()

        return lines_of(before + content, seen_by)[-count:]

    def _end(self, lines: int) -> tuple[bytes, bytes]:
        """What was set aside, as far as it is needed, and what came since."""
        content = _end_of(self._path, _TAIL_BYTES)
        if content.count(b"\n") >= lines or len(content) >= _TAIL_BYTES:
            return b"", content
        return _end_of(self._before, _TAIL_BYTES - len(content)), content


def _end_of(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - size, 0))
            return file.read(size)
    except FileNotFoundError:
        return b""
