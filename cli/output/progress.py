"""Progress of something with a size, on a terminal; two lines of it elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from cli.output.console import quiet, say

_PERIOD = 0.2


class Progress:
    """Told how many bytes are done; shows them with rate and time left."""

    def __init__(self, what: str, size: int) -> None:
        self._what = what
        self._size = size
        self._done = 0
        self._began = time.monotonic()
        self._shown = 0.0
        self._live = sys.stderr.isatty() and not quiet()

    def __enter__(self) -> Self:
        if not self._live:
            say(f"{self._what} ({readable(self._size)})")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._live:
            self._show()
            sys.stderr.write("\n")

    def add(self, size: int) -> None:
        """So many bytes more are done."""
        self._done += size
        if self._live and time.monotonic() - self._shown > _PERIOD:
            self._show()

    def _show(self) -> None:
        self._shown = time.monotonic()
        rate = self._done / max(self._shown - self._began, 1e-3)
        left = (self._size - self._done) / max(rate, 1)
        share = 100 * self._done // max(self._size, 1)
        line = (
            f"{self._what}: {readable(self._done)} of {readable(self._size)} ({share} %),"
            f" {readable(rate)}/s, {left:.0f} s left"
        )
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()


def readable(size: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
