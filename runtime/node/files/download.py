"""One file from its URL to its place, whatever breaks on the way."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from ...batch.store.lent_files import LentFile, NotLent
from ..faults import NOT_FOUND, NOT_READY, NodeFailed
from ..spec import File

_TRIES = 9
_GONE = (404, 410, 412)
_PASSING = (408, 416, 425, 429)
_LONGEST_PAUSE = 30.0
_PIECE = 1 << 20


class RanOut(Exception):
    """The URL does not let us in any more."""


class Mismatch(Exception):
    """What came is not what should be there."""


class Download:
    """`count` is told how many bytes are there, now and then. The file is at `target` only once
    it is whole and right."""

    def __init__(self, file: File, target: str, count: Callable[[int], None]) -> None:
        self._file = file
        self._target = target
        self._partial = f"{target}.partial"
        self._count = count

    def is_there(self) -> bool:
        """From before, and right. (A file without a digest is never taken for right.)"""
        if not self._file.sha256:
            return False
        try:
            if os.path.getsize(self._target) != self._file.size:
                return False
            digest = hashlib.sha256()
            with open(self._target, "rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
        except OSError:
            return False
        if digest.hexdigest() != self._file.sha256:
            return False
        self._count(self._file.size)
        return True

    def run(self, url: str) -> None:
        """Raises RanOut, Mismatch, NodeFailed, and OSError where there is no place for it."""
        os.makedirs(os.path.dirname(self._target), exist_ok=True)
        try:
            with open(self._partial, "w+b") as file:
                self._fetch(LentFile(url, self._file.etag, patience=0), _Target(file, self._count))
            os.replace(self._partial, self._target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(self._partial)
            raise

    def _fetch(self, source: LentFile, target: _Target) -> None:
        tries = 0
        while True:
            before = target.tell()
            try:
                self._fetch_on(source, target)
                break
            except NotLent as error:
                why, status = str(error), error.status
            if status in (401, 403):
                raise RanOut(f"the store answered {status}")
            came_on = target.tell() > before
            tries = 0 if came_on else tries + 1
            if source.path or status in _GONE or (400 <= status < 500 and status not in _PASSING):
                raise NodeFailed(NOT_FOUND, f"The file {why}.")
            if tries >= _TRIES:
                raise NodeFailed(NOT_READY, f"The file {why}.")
            if not (self._file.etag and came_on):
                target.begin_anew()
            time.sleep(min(0.25 * 2**tries, _LONGEST_PAUSE))
        self._check(target)

    def _fetch_on(self, source: LentFile, target: _Target) -> None:
        there, size = target.tell(), self._file.size
        if there == 0:
            source.copy(cast(BinaryIO, target))
        elif there < size:
            source.copy(cast(BinaryIO, target), there, size - there)

    def _check(self, target: _Target) -> None:
        if target.tell() != self._file.size:
            raise Mismatch(f"has {target.tell()} bytes and should have {self._file.size}")
        found = target.digest.hexdigest()
        if self._file.sha256 and found != self._file.sha256:
            raise Mismatch(f"has the SHA-256 {found} and should have {self._file.sha256}")
        target.save()


class _Target:
    """A file that is written once from its beginning, and digested meanwhile."""

    def __init__(self, file: BinaryIO, count: Callable[[int], None]) -> None:
        self._file = file
        self._count = count
        self._size = 0
        self.digest: Any = hashlib.sha256()

    def tell(self) -> int:
        return self._size

    def write(self, piece: bytes) -> int:
        try:
            self._file.write(piece)
        except OSError as error:  # not to be taken for a fault of the store
            reason = f"The files cannot be stored here: {error.strerror}."
            raise NodeFailed(NOT_READY, reason) from None
        self.digest.update(piece)
        self._size += len(piece)
        self._count(self._size)
        return len(piece)

    def begin_anew(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._size = 0
        self.digest = hashlib.sha256()

    def save(self) -> None:
        self._file.flush()
