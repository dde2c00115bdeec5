"""How the files of a unit reach the one worker that it was given to, and nobody else.

A worker has a folder to read from and one to write to. For the time of a unit its input files are
in the one under another name of theirs (no byte is copied, unless they are on another disk), and
the block that it makes is taken from the other. It is done for every unit, so it is done with few
calls and no more objects than there are files.
"""

import asyncio
import contextlib
import errno
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from domain.ports import UnitInput, UnitMiniBatch, UnitRequest
from infra.compute.local.isolation.opening import open_file_to_all

_BLOCK: Final = "block"
_FILE: Final = "file://"
_NO_FILE: Final = "the block that the worker made is no file"


class _Lent(NamedTuple):
    place: str
    url: str
    copied: bool


class LendingDesk:
    """One worker's, between two folders that it has no other unit's files in. `for_others`:
    whether the worker is another user than the host. What it does takes some ten microseconds a
    file, if no file is on another disk."""

    def __init__(self, inputs: Path, outputs: Path, *, for_others: bool) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self._in, self._block = str(inputs), f"{outputs}/{_BLOCK}"
        self._block_url, self._url = _FILE + quote(self._block), _FILE + quote(self._in)
        self._for_others = for_others
        self._lent: dict[str, _Lent] = {}
        self._names: dict[str, int] = {}
        self._folders = 0

    def open(self) -> None:
        for folder in (self.inputs, self.outputs):
            folder.mkdir()
        if self._for_others:
            self.inputs.chmod(0o755)

    def lend(self, request: UnitRequest) -> UnitRequest:
        """The unit with addresses that the worker can follow. Raises OSError."""
        block = request.block_url
        if _path(block) is not None:
            block = self._block_url
        mini_batches = tuple(
            UnitMiniBatch(each.ordinal, tuple(map(self._lend, each.inputs)), each.tries)
            for each in request.mini_batches
        )
        return replace(request, mini_batches=mini_batches, block_url=block)

    async def deliver(self, request: UnitRequest) -> None:
        """Bring the block that the worker has made to its place. Raises OSError."""
        target = _path(request.block_url)
        if target is None:
            return
        try:
            self._move(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            await asyncio.to_thread(_copy, self._block, target)
            os.unlink(self._block)
        # Where the worker cannot change what it is any more, and before anybody looks for it.
        if not stat.S_ISREG(os.lstat(target).st_mode):
            await asyncio.to_thread(_remove, target)
            raise OSError(_NO_FILE)

    def clear(self, *, tidy: bool) -> None:
        """The unit has ended: nothing of it is lent any more. `tidy`: nor is anything left of
        what the worker has made, which may be much. Blocking."""
        with contextlib.suppress(FileNotFoundError):  # the worker is gone, and all of it
            for lent in self._lent.values():
                os.unlink(lent.place)
        self._lent.clear()
        self._names.clear()
        if tidy:
            for entry in self.outputs.glob("*"):
                _remove(entry)

    def _move(self, target: str) -> None:
        try:
            os.rename(self._block, target)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.rename(self._block, target)

    def _lend(self, source: UnitInput) -> UnitInput:
        path = _path(source.url)
        if path is None:
            return source
        lent = self._lent.get(path) or self._brought(path)
        etag = source.etag
        if lent.copied and etag and _is_of(etag, path):
            etag = ""  # A copy has none of its own, and it is a copy of what is meant.
        return UnitInput(source.name, lent.url, source.piece, etag)

    def _brought(self, path: str) -> _Lent:
        """Files of one name are in folders of their own."""
        name = os.path.basename(path)
        number = self._names.get(name, 0)
        self._names[name] = number + 1
        while self._folders <= number:
            folder = f"{self._in}/{self._folders}"
            os.mkdir(folder)
            os.chmod(folder, 0o755)
            self._folders += 1
        place, url = f"{self._in}/{number}/{name}", f"{self._url}/{number}/{quote(name)}"
        copied = False
        try:
            os.link(path, place, follow_symlinks=False)
        except FileNotFoundError:
            return _Lent(place, url, copied)  # The worker says that it is gone.
        except OSError:
            shutil.copyfile(path, place, follow_symlinks=False)
            copied = True
        if self._for_others:
            open_file_to_all(place)
        lent = self._lent[path] = _Lent(place, url, copied)
        return lent


def _path(url: str | None) -> str | None:
    if url is None or not url.startswith("file:///"):
        return None
    path = url[len(_FILE) :]
    return unquote(path) if "%" in path else path


def _copy(source: str, target: str) -> None:
    """What is copied is what was looked at: the worker can change what a name means meanwhile."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as made:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(_NO_FILE)
        with open(target, "wb") as file:
            shutil.copyfileobj(made, file)


def _remove(entry: str | Path) -> None:
    if os.path.isdir(entry) and not os.path.islink(entry):
        shutil.rmtree(entry, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(entry)


def _is_of(etag: str, path: str) -> bool:
    """As the store on this machine makes it; what may follow counts changes of metadata."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    content = f'"0x{found.st_ino:X}-{found.st_mtime_ns:X}-{found.st_size:X}'
    return etag.startswith((content + '"', content + "-"))
