"""Whatever a script prints, or has `logging` write, goes to the log line by line, each stamped
with the time and with the request that was being handled.

A stamp is `\\x1e<time> <request>\\x1f`, with `-` for no request; the compute that reads the log
takes it off (infra/compute/local/processes/printed_lines.py). What is written past `sys.stdout`
and `sys.stderr`, by C code or other processes, has none.
"""

from __future__ import annotations

import atexit
import io
import os
import re
import sys
import threading
import time
from contextvars import ContextVar
from typing import Any

MARK = "\x1e"
_END = "\x1f"
_HELD_CHARACTERS = 8192
_HELD_LINES = 64
_STANDARD_ERROR = 2
_ODD = re.compile(r"[^!-~]")

_request: ContextVar[str] = ContextVar("ml_endpoints_request", default="")


def print_for(request: str) -> None:
    """Until it is called again, this thread prints, and what it starts of coroutines does, for
    the request of this id; '' is none."""
    _request.set(request)


def request_at_hand() -> str:
    """The id of the request for which this is called; '' for none."""
    return _request.get()


class _Second:
    """The current second, as it is written."""

    number = -1
    text = ""


def stamp() -> str:
    now = time.time()
    second = int(now)
    if second != _Second.number:
        _Second.text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _Second.number = second
    request = _ODD.sub("_", _request.get()) or "-"
    return f"{MARK}{_Second.text}.{int((now - second) * 1000):03d}Z {request}{_END}"


class _Shared:
    """What the streams of one process share: they end in one file."""

    def __init__(self) -> None:
        # A signal's handler may print in the middle of a print.
        self.lock = threading.RLock()
        self.held: dict[tuple[int, str, int], str] = {}
        """Lines that their writers have not ended yet."""
        self.unended: tuple[int, str, int] | None = None
        """Who has written the last line of the file as far as it is there."""

    def before_fork(self) -> None:
        """Nobody may be in the middle of a write, who would not be there in the child."""
        self.lock.acquire()

    def after_fork(self) -> None:
        self.lock.release()

    def forked(self) -> None:
        self.held.clear()
        self.lock = threading.RLock()


_shared = _Shared()


class Printed(io.TextIOWrapper):
    """A text stream whose lines are whole and stamped, whoever writes at the same time. A line
    that is not ended waits for its end, for a `flush`, or for being 8 KiB."""

    def write(self, text: str) -> int:
        with _shared.lock:
            writer = (threading.get_ident(), _request.get(), id(self))
            held = _shared.held.pop(writer, "")
            lines, ended, rest = (held + text).rpartition("\n")
            if ended:
                self._put(writer, lines, "\n")
            if len(rest) > _HELD_CHARACTERS:
                self._put(writer, rest, "")
            elif rest:
                if len(_shared.held) >= _HELD_LINES:
                    write_out()
                _shared.held[writer] = rest
        return len(text)

    def flush(self) -> None:
        with _shared.lock:
            if _shared.held:
                writer = (threading.get_ident(), _request.get(), id(self))
                rest = _shared.held.pop(writer, "")
                if rest:
                    self._put(writer, rest, "")
            super().flush()

    def _put(self, writer: tuple[int, str, int], text: str, end: str) -> None:
        if MARK in text:
            text = text.replace(MARK, "\\x1e")
        stamped = stamp()
        text = text.replace("\n", f"\n{stamped}")
        if _shared.unended != writer:
            text = ("" if _shared.unended is None else "\n") + stamped + text
        _shared.unended = None if end else writer
        super().write(text + end)
        if not end:
            super().flush()


def write_out() -> None:
    """What was printed and not ended is in the log, too."""
    streams: dict[int, Any] = {id(each): each for each in (sys.stdout, sys.stderr)}
    with _shared.lock:
        held = list(_shared.held.items())
        _shared.held.clear()
        for writer, rest in held:
            stream = streams.get(writer[2])
            if isinstance(stream, Printed):
                stream._put(writer, rest, "\n")


def write_stamped(text: str) -> int:
    """Whole lines, whatever the script has made of the streams; how many bytes they are there."""
    stamped = stamp()
    return _write("".join(f"{stamped}{line}\n" for line in text.split("\n") if line))


def write_plain(text: str) -> int:
    """`write_stamped` without stamps, for whoever reads the log as it is."""
    return _write(text)


def _write(text: str) -> int:
    data = text.encode("utf-8", "backslashreplace")
    with _shared.lock:
        before = b"" if _shared.unended is None else b"\n"
        _shared.unended = None
        rest = before + data
        while rest:
            rest = rest[os.write(_STANDARD_ERROR, rest) :]
    return len(data)


def install() -> None:
    """From now on `sys.stdout` and `sys.stderr` are such; call it once, before any thread
    prints. None of what is printed can raise for its characters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        buffer = None if stream is None else stream.detach()
        if buffer is not None:
            printed = Printed(
                buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True
            )
            setattr(sys, name, printed)
            setattr(sys, f"__{name}__", printed)
    os.register_at_fork(
        before=_shared.before_fork,
        after_in_parent=_shared.after_fork,
        after_in_child=_shared.forked,
    )
    atexit.register(write_out)
