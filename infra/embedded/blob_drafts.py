"""Files on their way to a place in the store, and the ETag of those that have one."""

import os
import secrets
import threading
import time
from pathlib import Path

from infra.embedded.disk import Descriptor, write_all


def etag_of(found: os.stat_result) -> str:
    """New after every change of the file, by whomever: a rename into place brings another
    inode, a write in place another time."""
    return f'"0x{found.st_ino:X}-{found.st_mtime_ns:X}-{found.st_size:X}"'


class Draft:
    """A file that is being written under a name that nobody looks for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = Descriptor(
            os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        )

    def write(self, content: bytes) -> None:
        self.file.use(lambda descriptor: write_all(descriptor, content))

    def finish(self) -> os.stat_result:
        """Bring the content to the disk and stamp it with a time that no other draft of
        this process has: an inode that is used again cannot bring an old ETag back."""

        def settle(descriptor: int) -> os.stat_result:
            getattr(os, "fdatasync", os.fsync)(descriptor)
            stamp = _stamps.next()
            os.utime(descriptor, ns=(stamp, stamp))
            return os.fstat(descriptor)

        found = self.file.use(settle)
        self.file.close()
        return found

    def discard(self) -> None:
        """Remove what has not been renamed into its place."""
        self.file.close()
        self.path.unlink(missing_ok=True)


class Drafts:
    """Drafts in one folder, on the file system of the places they go to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder

    def new(self) -> Draft:
        path = self._folder / secrets.token_hex(16)
        try:
            return Draft(path)
        except FileNotFoundError:
            self.folder()
            return Draft(path)


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
