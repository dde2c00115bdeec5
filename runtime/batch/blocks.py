"""Staging a unit's rows where the host said. Writing a block twice leaves one block."""

from __future__ import annotations

import contextlib
import os
import time
from urllib.parse import unquote, urlsplit

from . import loans

_SOCKET_TIMEOUT = 60.0
_TRIES = 4
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
    # Not at the start: a worker whose files are on this machine is ready a tenth sooner.
    import http.client
    import urllib.error
    import urllib.request

    url = loans.current(url)
    for attempt in range(1, _TRIES + 1):
        request = urllib.request.Request(url, data=content, method="PUT")
        request.add_header("Content-Type", "application/octet-stream")
        try:
            with urllib.request.urlopen(request, timeout=_SOCKET_TIMEOUT):
                return
        except urllib.error.HTTPError as error:
            reason = f"the store answered {error.code} {error.reason}"
            passing = error.code in (408, 429) or error.code >= 500
            error.close()
            fresh = loans.after(url) if error.code in loans.REFUSED else None
            if fresh is not None:
                url, passing = fresh, True
        except (OSError, http.client.HTTPException) as error:
            reason, passing = str(error), True
        if not passing or attempt == _TRIES:
            # Never the URL: its query is a signature.
            raise BlockNotWritten(f"the block could not be written: {reason}")
        time.sleep(0.2 * 2**attempt)
