"""A mini-batch's input files as local paths."""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_SOCKET_TIMEOUT = 60.0
_WEB = ("https", "http")


class Input(NamedTuple):
    """`name` is how outputs show it."""

    name: str
    url: str


class InputUnreadable(Exception):
    """An input cannot be had; the message names it and says why."""


@contextmanager
def local_paths(inputs: list[Input]) -> Iterator[list[str]]:
    """A readable path for each input, in order. What had to be downloaded is deleted
    afterwards. Raises InputUnreadable."""
    folder: str | None = None
    try:
        paths = []
        for index, each in enumerate(inputs):
            parts = urlsplit(each.url)
            if parts.scheme == "file":
                paths.append(unquote(parts.path))
                continue
            if parts.scheme not in _WEB:
                raise InputUnreadable(f"{each.name}: a {parts.scheme!r} URL cannot be read")
            folder = folder or tempfile.mkdtemp(prefix="mini-batch-")
            # Two inputs may share a base name: each has a folder of its own.
            place = os.path.join(folder, str(index))
            os.mkdir(place)
            base = os.path.basename(each.name.replace("\\", "/")) or "input"
            paths.append(_download(each, os.path.join(place, base)))
        yield paths
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _download(source: Input, path: str) -> str:
    try:
        reply = urllib.request.urlopen(source.url, timeout=_SOCKET_TIMEOUT)
        with reply, open(path, "wb") as file:
            shutil.copyfileobj(reply, file, 1 << 20)
    except (OSError, ValueError) as error:  # URLError and time-outs are OSErrors
        # Never the URL: its query is a signature.
        raise InputUnreadable(f"{source.name} could not be downloaded: {error}") from None
    return path
