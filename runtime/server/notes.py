"""Lines of the server's own among what the script prints."""

from __future__ import annotations

import sys
import threading

from .exchange import Request
from .printing import print_for


def note(request: Request, text: str, trace: str = "") -> None:
    """What became of `request`, below the traceback it is about."""
    print_for(request.id)
    sys.stderr.write(_line(text, trace))


def note_from_loop(request: Request, text: str) -> None:
    """`note`, without waiting: a log that nobody reads must not hold up the loop."""

    def write() -> None:
        print_for(request.id)
        sys.stderr.write(_line(text, ""))

    threading.Thread(target=write, name="note", daemon=True).start()


def _line(text: str, trace: str) -> str:
    return f"{trace}[ml-endpoints] {text}\n"
