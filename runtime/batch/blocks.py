"""Staging a unit's rows where the host said. Writing a block twice leaves one block."""

from __future__ import annotations

import contextlib
import os
import time
from urllib.parse import unquote, urlsplit

from .store import loans, web

_TRIES = 4
_PATIENCE = 30.0
"""Seconds for a store that nobody answers at to come back, at each try."""
_WEB = ("https", "http")


class BlockNotWritten(Exception):
    """The rows are not where they should be; the message says why."""


def write(url: str, content: bytes | bytearray) -> None:
    """Put the whole block at `url`, or raise BlockNotWritten and leave nothing half-made."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        _write_file(unquote(parts.path), content)
    elif parts.scheme in _WEB:
        _put(url, content)
    else:
        raise BlockNotWritten(f"a block cannot be written to a {parts.scheme!r} URL")


def _write_file(path: str, content: bytes | bytearray) -> None:
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        try:
            _write_whole(temporary, content)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _write_whole(temporary, content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # it was never made, or the disk is gone altogether
            os.unlink(temporary)
        raise BlockNotWritten(f"the block could not be written: {error.strerror}") from None


def _write_whole(path: str, content: bytes | bytearray) -> None:
    with open(path, "wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]


def _put(url: str, content: bytes | bytearray) -> None:
    url = loans.current(url)
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
    for attempt in range(1, _TRIES + 1):
        try:
            with web.ask("PUT", url, headers, content, patience=_PATIENCE) as answer:
                answer.read()
                return
        except web.Refused as refused:
            reason, passing = str(refused), refused.may_pass
            fresh = loans.after(url) if refused.code in loans.REFUSED else None
            if fresh is not None:
                url, passing = fresh, True
        except OSError as error:
            reason, passing = str(error), True
        if not passing or attempt == _TRIES:
            # Never the URL: its query is a signature.
            raise BlockNotWritten(f"the block could not be written: {reason}")
        time.sleep(0.2 * 2**attempt)
