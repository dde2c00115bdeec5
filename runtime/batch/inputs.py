"""A mini-batch's input files as local paths."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .row_slices import copy_rows
from .store import gathered
from .store.lent_files import LentAnother, LentFile, NotLent, local_path


class Piece(NamedTuple):
    """`rows` rows of a file from `first_row` on: `length` bytes from `offset`, with the
    file's first `header` bytes before them. No length: rows of a Parquet file."""

    first_row: int
    rows: int
    offset: int
    length: int
    header: int


class Input(NamedTuple):
    """`name` is how outputs show it. `piece`: of the file, no more than that. `etag`: of the
    content that is meant; empty for whatever is there. `content`: what it is, where it came with
    its unit. `lent`: a `file:` URL at which it may be seen, too, as `seen` finds out."""

    name: str
    url: str
    piece: Piece | None = None
    etag: str = ""
    content: bytes | None = None
    lent: str = ""

    @property
    def first_row(self) -> int:
        """The number of the first row in it, of those in the whole file."""
        return self.piece.first_row if self.piece else 0


class InputUnreadable(Exception):
    """An input cannot be had; the message names it and says why."""


class InputChanged(Exception):
    """An input is not the one that was planned any more; the message says so of it."""

    def __init__(self, name: str, how: str) -> None:
        super().__init__(f"The input {name!r} was {how} after the job was planned.")


def parse(value: dict[str, Any]) -> Input:
    """Raises KeyError, TypeError or ValueError for what describes no input."""
    piece = value.get("piece")
    if piece is not None:
        piece = Piece(*(int(piece[field]) for field in Piece._fields))
    told = value.get("content")
    content = None if told is None else base64.b64decode(told, validate=True)
    etag = str(value.get("etag") or "")
    lent = str(value.get("lent") or "")
    return Input(str(value["name"]), str(value["url"]), piece, etag, content, lent)


def seen(source: Input) -> Input:
    """By its file, if that is to be seen on this machine, and is what is meant; else as it was."""
    path = local_path(source.lent) if source.etag and source.content is None else None
    try:
        is_it = path is not None and _is_meant(source, path)
    except OSError:
        is_it = False
    return source._replace(url=source.lent) if is_it else source


def check(inputs: list[Input]) -> None:
    """Raise InputChanged if a file that is read where it is has changed, or gone. (Others are
    asked for by their ETag.)"""
    for each in inputs:
        path = local_path(each.url) if each.etag else None
        if path is None:
            continue
        try:
            is_it = _is_meant(each, path)
        except OSError:
            raise InputChanged(each.name, "removed") from None
        if not is_it:
            raise InputChanged(each.name, "changed")


def _is_meant(source: Input, path: str) -> bool:
    """Raises OSError."""
    found = os.stat(path, follow_symlinks=False)
    # As the store on this machine makes it; what may follow counts changes of metadata.
    content = f'"0x{found.st_ino:X}-{found.st_mtime_ns:X}-{found.st_size:X}'
    return source.etag.startswith((content + '"', content + "-"))


@contextmanager
def local_paths(inputs: list[Input]) -> Iterator[list[str]]:
    """A readable path for each input, in order, with the base name that the input has. What
    had to be copied is deleted afterwards. Raises InputUnreadable and InputChanged."""
    folder: str | None = None
    try:
        lent = [_lent(each) for each in inputs]
        copied = [i for i, file in enumerate(lent) if file.path is None or inputs[i].piece]
        paths = [file.path or "" for file in lent]
        if copied:
            folder = _temporary_folder()
            places = iter(_places(folder, [inputs[i].name for i in copied]))
            for index in copied:
                paths[index] = next(places)
            whole = [i for i in copied if inputs[i].piece is None and inputs[i].content is None]
            wanted = [gathered.Wanted(inputs[i].url, inputs[i].etag, paths[i]) for i in whole]
            there = gathered.fetch(wanted)
            for index in copied:
                if paths[index] not in there:
                    _copy(inputs[index], lent[index], paths[index])
        yield paths
    finally:
        if folder is not None:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)


def _places(folder: str, names: list[str]) -> list[str]:
    """For each name a path with its base name: those that share one are in folders of their own."""
    places: list[str] = []
    seen: dict[str, int] = {}
    folders: list[str] = []
    for name in names:
        base = os.path.basename(name.replace("\\", "/")) or "input"
        number = seen[base] = seen.get(base, -1) + 1
        if number == len(folders):
            folders.append(os.path.join(folder, str(number)))
            os.mkdir(folders[-1])
        places.append(os.path.join(folders[number], base))
    return places


def _temporary_folder() -> str:
    import tempfile

    return tempfile.mkdtemp(prefix="mini-batch-")


def _lent(source: Input) -> LentFile:
    try:
        return LentFile(source.url, source.etag)
    except NotLent as error:
        raise InputUnreadable(f"{source.name} {error}") from None


def _copy(source: Input, file: LentFile, path: str) -> None:
    """Write what is meant of the file to `path`."""
    piece = source.piece
    try:
        if source.content is not None:
            with open(path, "wb") as copy:
                copy.write(source.content)
            return
        if piece is not None and not piece.length:
            copy_rows(file, piece.first_row, piece.rows, path)
            return
        with open(path, "wb") as copy:
            if piece is None:
                file.copy(copy)
                return
            if piece.header:
                file.copy(copy, 0, piece.header)
            file.copy(copy, piece.offset, piece.length)
    except LentAnother as another:
        raise InputChanged(source.name, another.how) from None
    except NotLent as error:
        raise InputUnreadable(f"{source.name} {error}") from None
    except OSError as error:
        raise InputUnreadable(f"{source.name} could not be copied: {error.strerror}") from None
