"""Files on their way to a place in the store, and the ETag of those that have one."""

import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from domain import errors
from infra.embedded.disk import write_all

T = TypeVar("T")

# So that the last sync of a large blob is as short as any other.
_SYNCED_AT_ONCE = 256 * 1024 * 1024


def etag_of(found: os.stat_result) -> str:
    """New after every change of the file, by whomever: a rename into place brings another
    inode, a write in place another time."""
    return f'"0x{found.st_ino:X}-{found.st_mtime_ns:X}-{found.st_size:X}"'


def is_content_of(etag: str, found: os.stat_result) -> bool:
    """Whether the ETag names that content; what may follow in it counts changes of metadata."""
    content = etag_of(found)[:-1]
    return etag.startswith((content + '"', content + "-"))


class Draft:
    """A file that is being written under a name that nobody looks for. It is made by the
    first write or by `finish`, and whoever made the draft discards it at the end: one who
    no longer waits for a write may do so while the write still runs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / secrets.token_hex(16)
        self._descriptor: int | None = None
        self._synced = 0
        self._ended = False
        self._lock = threading.Lock()

    def write(self, content: bytes) -> None:
        self.append(lambda descriptor: write_all(descriptor, content))

    def append(self, work: Callable[[int], T]) -> T:
        """Let `work` write at the end of the file."""
        with self._lock:
            descriptor = self._opened()
            result = work(descriptor)
            end = os.lseek(descriptor, 0, os.SEEK_CUR)
            if end - self._synced >= _SYNCED_AT_ONCE:
                _sync(descriptor)
                self._synced = end
            return result

    def finish(self) -> os.stat_result:
        """Bring the content to the disk and stamp it with a time that no other draft of
        this process has: an inode that is used again cannot bring an old ETag back."""
        with self._lock:
            descriptor = self._opened()
            _sync(descriptor)
            stamp = _stamps.next()
            os.utime(descriptor, ns=(stamp, stamp))
            found = os.fstat(descriptor)
            self._close()
            return found

    def discard(self) -> None:
        """Remove what has not been renamed into its place."""
        with self._lock:
            self._close()
            self.path.unlink(missing_ok=True)

    def _opened(self) -> int:
        if self._ended:
            raise errors.Unavailable("The write was given up.")
        if self._descriptor is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            try:
                self._descriptor = os.open(self.path, flags, 0o600)
            except FileNotFoundError:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._descriptor = os.open(self.path, flags, 0o600)
        return self._descriptor

    def _close(self) -> None:
        self._ended = True
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Drafts:
    """Drafts in one folder, on the file system of the places they go to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self) -> Path:
        """The folder, made if it was not there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder

    def new(self) -> Draft:
        """A draft; nothing is on the disk yet."""
        return Draft(self._folder)


class _Stamps:
    """Strictly rising times."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            return self._last


_stamps = _Stamps()


def next_stamp() -> int:
    """A time in nanoseconds that nothing else in this process has been stamped with."""
    return _stamps.next()


def _sync(descriptor: int) -> None:
    getattr(os, "fdatasync", os.fsync)(descriptor)
