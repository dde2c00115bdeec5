"""A script's own files, brought from this machine's disk into a blob store elsewhere."""

import asyncio
import contextlib
import hashlib
import itertools
import logging
import os
import shutil
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from domain.errors import DomainError, Unavailable
from domain.ports import BlobFolder, BlobStore
from infra.compute.local.files.outputs import Outputs
from infra.rules import blob_names

_log = logging.getLogger(__name__)

_PIECE = 1024 * 1024
_FOUND_AT_ONCE = 1000
_AT_ONCE = 8
KEPT = 7 * 86400 * 10**9
"""Nanoseconds for which what nobody commits is kept."""
_MARK = ".mark"


@dataclass
class _Progress:
    """`asked` counts calls; the first `done` of them have what they asked for. `since`: what
    changed before it (nanoseconds, by the file system's clock) is there."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked: int = 0
    done: int = 0
    since: int = 0


class UploadedOutputs(Outputs):
    """Keeps the files below `root` until they are released. A file is a blob of the same path
    below the output's folder; one that is changed later is uploaded again, whole. Of two hosts
    that write the same path the last one's stays.

    Each call looks at every file of its folder, in threads; calls that come while one is at
    it share the next look. What has changed is told by the inode's time of change, which a
    script cannot set, so that nothing is remembered per file."""

    def __init__(self, root: Path, blobs: BlobStore) -> None:
        self._root = root
        self._blobs = blobs
        self._progress: dict[str, _Progress] = {}

    def folder(self, key: str, output: BlobFolder) -> Path:
        return self._root / hashlib.sha256(key.encode()).hexdigest()[:32]

    async def publish(self, key: str, output: BlobFolder) -> None:
        progress = self._progress.setdefault(key, _Progress())
        progress.asked += 1
        mine = progress.asked
        async with progress.turn:
            if progress.done >= mine:
                return
            asked = progress.asked
            folder = self.folder(key, output)
            now = await asyncio.to_thread(self._now)
            # A clock that was put back says nothing any more: everything is looked at anew.
            since = progress.since if progress.since <= now else 0
            changed = _changed(folder, since)
            while some := await asyncio.to_thread(_next, changed):
                await self._upload_all(folder, some, output)
            progress.since, progress.done = now, asked

    async def release(self, key: str, output: BlobFolder) -> None:
        try:
            await self.publish(key, output)
        except DomainError as error:
            # What belongs to a recorded result is there; this is what came after the last.
            _log.warning("The last files for %s are lost: %s", key, error)
        self._progress.pop(key, None)
        await asyncio.to_thread(shutil.rmtree, self.folder(key, output), ignore_errors=True)

    def sweep(self) -> None:
        """Blocking, before the first use: remove what a host that died has left for a week.
        Whatever of it belongs to a recorded result is in the blob store."""
        old = self._now() - KEPT
        for folder, _, files in os.walk(self._root, topdown=False):
            for name in files:
                path = os.path.join(folder, name)
                if os.lstat(path).st_ctime_ns < old:
                    os.unlink(path)
            with contextlib.suppress(OSError):  # it has files that are younger
                os.rmdir(folder)

    async def _upload_all(self, folder: Path, names: list[str], output: BlobFolder) -> None:
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            uploads = (self._upload(folder, name, output) for name in some)
            for met in await asyncio.gather(*uploads, return_exceptions=True):
                if met is not None:
                    raise met

    async def _upload(self, folder: Path, name: str, output: BlobFolder) -> None:
        blob = f"{output.path}/{name}" if output.path else name
        fault = blob_names.fault_of(blob)
        if fault is not None:
            shown = name.encode(errors="replace").decode()[:200]
            _log.warning("The output file %r cannot be a blob: %s", shown, fault)
            return
        try:
            file = await asyncio.to_thread(_open, folder, name)
        except FileNotFoundError:
            return  # a temporary file of the script
        except PermissionError:
            _log.warning("The output file %r may not be read", name)
            return
        except OSError as error:
            raise Unavailable(f"An output file cannot be read: {error.strerror}.") from error
        try:
            await self._blobs.write(output.container, blob, _pieces(file))
        finally:
            await asyncio.to_thread(os.close, file)

    def _now(self) -> int:
        """As the file system has it: what is changed from here on has no earlier time."""
        self._root.mkdir(parents=True, exist_ok=True)
        mark = self._root / _MARK
        mark.write_bytes(b"")
        return mark.stat().st_ctime_ns


def _changed(folder: Path, since: int) -> Iterator[str]:
    """Paths below `folder` of the files that changed at `since` or later. Links are not
    followed."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            try:
                found = os.lstat(path)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(found.st_mode) and found.st_ctime_ns >= since:
                yield os.path.relpath(path, folder)


def _next(changed: Iterator[str]) -> list[str]:
    return list(itertools.islice(changed, _FOUND_AT_ONCE))


def _open(folder: Path, name: str) -> int:
    """The script may have put a link in a folder's place meanwhile: none is followed."""
    *folders, last = name.split("/")
    above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for each in folders:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(each, flags, dir_fd=above)
            os.close(above)
            above = below
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(last, flags, dir_fd=above)
    finally:
        os.close(above)


async def _pieces(file: int) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(os.read, file, _PIECE):
        yield piece
