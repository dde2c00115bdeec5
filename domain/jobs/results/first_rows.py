"""The first rows of a file that a job has written, as far as they can be told without all of it."""

import csv
import io
import json
from dataclasses import dataclass
from typing import Any, Final

LOOKED_AT: Final = 512 * 1024
"""Bytes of a file's beginning that are read for its first rows."""
_LONGEST: Final = 4_000
_IMAGES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")


@dataclass(frozen=True)
class FirstRows:
    """`kind` is csv, jsonl, text, parquet, image or binary. `columns` are a table's; `total` is
    how many rows there are, where that is known; `is_whole` says that these are all; `why` says
    why there are none of a table."""

    kind: str
    columns: list[str] | None
    rows: list[Any]
    is_whole: bool
    total: int | None = None
    why: str | None = None


def kind_of(name: str, beginning: bytes) -> str:
    lower = name.lower()
    if lower.endswith(".parquet") or beginning[:4] == b"PAR1":
        return "parquet"
    if lower.endswith(_IMAGES):
        return "image"
    try:
        beginning[:4096].decode()
    except UnicodeDecodeError as error:
        if error.start < min(len(beginning), 4096) - 4:
            return "binary"
    if lower.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    return "csv" if lower.endswith(".csv") else "text"


def first_rows(name: str, beginning: bytes, *, is_whole: bool, most: int) -> FirstRows:
    """Of a file's `beginning`, which may be all of it."""
    kind = kind_of(name, beginning)
    if kind not in ("csv", "jsonl", "text"):
        return FirstRows(kind, None, [], False)
    text = beginning.decode("utf-8", "replace")
    if not is_whole:
        # What may be half a line is none.
        text = text[: text.rfind("\n") + 1] or text
    if kind == "csv":
        return _of_csv(text, is_whole, most)
    lines = text.splitlines()
    taken = lines[:most]
    rows = [_parsed(line) for line in taken] if kind == "jsonl" else [_cut(line) for line in taken]
    return FirstRows(kind, None, rows, is_whole and len(lines) <= most)


def _of_csv(text: str, is_whole: bool, most: int) -> FirstRows:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline="")):
            rows.append([_cut(value) for value in row])
            if len(rows) > most + 1:
                break
    except csv.Error:
        # One value larger than can be looked at.
        is_whole = False
    columns, rows = (rows[0], rows[1:]) if rows else ([], [])
    return FirstRows("csv", columns, rows[:most], is_whole and len(rows) <= most)


def _parsed(line: str) -> Any:
    """A line that is no JSON, or too long to be shown, is text."""
    if len(line) > _LONGEST:
        return _cut(line)
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
