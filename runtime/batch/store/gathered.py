"""Many small files of one store in one request, where it offers that.

It only saves requests: what does not come so is asked for by itself, where everything is said that
there is to say about it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from . import loans, web

_PATH = "/gathered"
_HEAD = struct.Struct(">IQ")
_AT_ONCE = 200
_LARGEST = 1 << 20
"""Of one file in such an answer: more would be a lie."""


class Wanted(NamedTuple):
    """A file by its signed URL and ETag, and where it is to be."""

    url: str
    etag: str
    path: str


def fetch(files: Sequence[Wanted]) -> set[str]:
    """Which of the paths are there now, whole."""
    there: set[str] = set()
    by_store: dict[str, list[Wanted]] = {}
    for each in files:
        parts = urlsplit(each.url)
        by_store.setdefault(f"{parts.scheme}://{parts.netloc}", []).append(each)
    for store, wanted in by_store.items():
        if len(wanted) > 1 and web.gathers():
            try:
                _fetch(store, wanted, there)
            except (OSError, ValueError):
                continue  # whatever it was, it is said of the files
    return there


def _fetch(store: str, wanted: Sequence[Wanted], there: set[str]) -> None:
    while wanted:
        some = wanted[:_AT_ONCE]
        blobs = [{"target": _target(each.url), "etag": each.etag} for each in some]
        body = json.dumps({"blobs": blobs}).encode()
        headers = {"Content-Type": "application/json"}
        with web.ask("POST", store + _PATH, headers, body, patience=0) as answer:
            came = 0
            for status, content in _answered(answer):
                if came == len(some):
                    raise ValueError("the answer has more than was asked for")
                path = some[came].path
                came += 1
                if status == 200:
                    with open(path, "wb") as file:
                        file.write(content)
                    there.add(path)
        if not came:
            return
        wanted = wanted[came:]


def _target(url: str) -> str:
    parts = urlsplit(loans.current(url))
    return f"{parts.path}?{parts.query}"


def _answered(answer: web.Answer) -> Iterator[tuple[int, memoryview]]:
    """Status and content of each. Raises ValueError for an answer that is none."""
    content = memoryview(answer.read())
    at = 0
    while at < len(content):
        if len(content) - at < _HEAD.size:
            raise ValueError("the answer ends within a head")
        status, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        if length > min(_LARGEST, len(content) - at):
            raise ValueError("the answer ends within a file")
        yield status, content[at : at + length]
        at += length
