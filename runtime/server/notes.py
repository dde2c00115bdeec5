"""Lines of the server's own among what the script prints."""

from __future__ import annotations

import sys
import threading

from .exchange import Request


def note(request: Request, text: str, trace: str = "") -> None:
    """What became of `request`, below the traceback it is about."""
    sys.stderr.write(_line(request, text, trace))


def note_from_loop(request: Request, text: str) -> None:
    """`note`, without waiting: a log that nobody reads must not hold up the loop."""
    line = _line(request, text, "")
    threading.Thread(target=sys.stderr.write, args=(line,), name="note", daemon=True).start()


def _line(request: Request, text: str, trace: str) -> str:
    return f"{trace}[ml-endpoints] Request {request.id}: {text}\n"
