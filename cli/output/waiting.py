"""A line that says what is waited for, and for how long already."""

import shutil
import sys
import time
from types import TracebackType
from typing import Self

from cli.output.console import quiet, say

_PERIOD = 0.5


class Waiting:
    """On a terminal one line that is written over; elsewhere a line at each change of status."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self.is_live = sys.stderr.isatty() and not quiet()
        """Whether it is a line that is written over."""
        self._status = ""
        self._shown = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self.is_live and self._status:
            sys.stderr.write("\r\x1b[K")
        if kind is None and self._status:
            say(f"{self._what}: {self._status}, {time.monotonic() - self._began:.1f} s")

    def see(self, status: str) -> None:
        """What it is at this look."""
        now = time.monotonic()
        if self.is_live and (status != self._status or now - self._shown > _PERIOD):
            line = f"{self._what}: {status}, {now - self._began:.0f} s"
            sys.stderr.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
            sys.stderr.flush()
            self._shown = now
        elif not self.is_live and status not in (self._status, "Succeeded"):
            say(f"{self._what}: {status}")
        self._status = status
