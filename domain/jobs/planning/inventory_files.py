"""The files that an inventory lists: a CSV as Azure's blob inventory writes it, so that a job of
very many files need not have its folder listed. What it says of each file is taken for so, and held
against the file where that is read: one that has changed since fails by itself."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from domain.errors import BlobNotFound, Invalid
from domain.ports import BlobStore

Listed = tuple[str, str, int]
"""Name, ETag and size of a file."""

_NEEDED: Final = ("name", "etag", "content-length")
_LEFT_OUT: Final = (
    ("snapshot", ("",)),
    ("iscurrentversion", ("", "true")),
    ("deleted", ("", "false")),
)
"""Columns with the values of what is there; other rows are of versions and of what was deleted."""
_LONGEST: Final = 16 * 2**20
_NO_PATH: Final = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[\x00-\x1f\x7f]")
"""A segment that is empty or leads elsewhere, or a control character."""


class InventoryUnreadable(Invalid):
    code = "InventoryUnreadable"


@dataclass(frozen=True)
class _Columns:
    place: Sequence[int]
    left_out: Sequence[tuple[int, tuple[str, ...]]]


async def listed_in(
    blobs: BlobStore, inventory: tuple[str, str], container: str, root: str
) -> AsyncIterator[Listed]:
    """Of the blob `inventory` (its container and name) the rows of files below `root` of
    `container`, in their order. Names may begin with the container, as Azure's do. Raises
    InventoryUnreadable."""
    name = "/".join(inventory)
    columns: _Columns | None = None
    async for text in _texts(blobs, inventory, name):
        rows = await asyncio.to_thread(_rows, text, name)
        if columns is None:
            columns, rows = _columns_of(rows[0], name), rows[1:]
        for found in await asyncio.to_thread(_files, rows, columns, container, root, name):
            yield found


async def _texts(blobs: BlobStore, inventory: tuple[str, str], name: str) -> AsyncIterator[str]:
    """Whole rows."""
    held = b""
    try:
        async for piece in blobs.read(*inventory):
            content = held + piece
            end = _end_of_rows(content)
            if end == 0 and len(content) > _LONGEST:
                raise InventoryUnreadable(f"'{name}' has no end of a row: is it a CSV?")
            held = content[end:]
            if end:
                yield _decoded(content[:end], name)
    except BlobNotFound:
        raise InventoryUnreadable(f"There is no inventory '{name}'.") from None
    if held.strip():
        yield _decoded(held, name)


def _end_of_rows(content: bytes) -> int:
    """After the last newline that stands in no quotes."""
    end = content.rfind(b"\n") + 1
    while end and content.count(b'"', 0, end) % 2:
        end = content.rfind(b"\n", 0, end - 1) + 1
    return end


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InventoryUnreadable(f"'{name}' is not UTF-8.") from None


def _rows(text: str, name: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise InventoryUnreadable(f"'{name}' is no CSV: {error}.") from None


def _columns_of(header: Sequence[str], name: str) -> _Columns:
    at = {column.strip().casefold(): number for number, column in enumerate(header)}
    if missing := [column for column in _NEEDED if column not in at]:
        raise InventoryUnreadable(
            f"'{name}' lacks the columns {', '.join(missing)}: an inventory is a CSV with a "
            "header, as Azure's blob inventory writes it with the fields Name, Etag and "
            "Content-Length."
        )
    left_out = [(at[column], there) for column, there in _LEFT_OUT if column in at]
    return _Columns([at[column] for column in _NEEDED], left_out)


def _files(
    rows: Iterable[Sequence[str]], columns: _Columns, container: str, root: str, name: str
) -> list[Listed]:
    whose, own = f"{container}/", f"{container}/{root}"
    at_name, at_etag, at_size = columns.place
    found = []
    for row in rows:
        try:
            path, etag, size = row[at_name], row[at_etag], row[at_size]
            if any(row[at].casefold() not in there for at, there in columns.left_out):
                continue
        except IndexError:
            raise InventoryUnreadable(
                f"'{name}' has a row with too few columns: {row[:3]}."
            ) from None
        if path.startswith(own):
            path = path[len(whose) :]
        if not path.startswith(root) or path.endswith("/"):
            continue
        if _NO_PATH.search(path):
            raise InventoryUnreadable(f"'{name}' lists {path[:200]!r}, which no file is called.")
        if not etag or not size.isdecimal():
            raise InventoryUnreadable(f"'{name}' says no ETag or no size of {path[:200]!r}.")
        found.append((path, etag if etag.endswith('"') else f'"{etag}"', int(size)))
    return found
