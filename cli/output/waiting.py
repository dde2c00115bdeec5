"""A line that says what is waited for, and for how long already."""

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
        self._live = sys.stderr.isatty() and not quiet()
        self._status = ""
        self._shown = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._live and self._status:
            sys.stderr.write("\r\x1b[K")
        if kind is None and self._status:
            say(f"{self._what}: {self._status}, {time.monotonic() - self._began:.1f} s")

    def see(self, status: str) -> None:
        """What it is at this look."""
        now = time.monotonic()
        if self._live and (status != self._status or now - self._shown > _PERIOD):
            sys.stderr.write(f"\r\x1b[K{self._what}: {status}, {now - self._began:.0f} s")
            sys.stderr.flush()
            self._shown = now
        elif not self._live and status not in (self._status, "Succeeded"):
            say(f"{self._what}: {status}")
        self._status = status
