"""Where a blob-triggered function's arrivals are looked for: a folder on this machine, or the
list of a container that is elsewhere."""

import asyncio
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from domain.errors import DomainError
from domain.ports import BlobProperties, BlobStore
from infra.embedded.arrivals.folder_watch import Arrival, FolderWatch, Signature
from infra.embedded.blobs.file_blobs import FileBlobs


class ArrivalSource(Protocol):
    """Reports what has come to rest, once, and again when it has changed."""

    @property
    def interval(self) -> float:
        """Seconds between two looks, at least."""

    async def start(self, settled: Mapping[str, Signature]) -> None:
        """Begin; what is in `settled` and unchanged is not reported."""

    async def look(self, *, full: bool) -> Sequence[Arrival]:
        """What has come to rest since the last look; a `full` one looks everywhere."""

    def forget(self, name: str) -> None:
        """Have the blob reported again, if it is there."""

    async def describe(self, names: Sequence[str]) -> Sequence[BlobProperties | DomainError]:
        """Each blob as it is now, or what looking at it raises (BlobNotFound, ...)."""

    def body(self, name: str) -> io.RawIOBase:
        """Its content, opened at the first read."""

    async def is_there(self, name: str) -> bool: ...


class FolderSource(ArrivalSource):
    """The files below a folder."""

    interval = 0.0

    def __init__(self, folder: Path, files: FileBlobs) -> None:
        self._folder = folder
        self._files = files
        self._watch = FolderWatch(folder, {})

    async def start(self, settled: Mapping[str, Signature]) -> None:
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        self._watch = FolderWatch(self._folder, settled)

    async def look(self, *, full: bool) -> Sequence[Arrival]:
        return await asyncio.to_thread(self._watch.look, full=full)

    def forget(self, name: str) -> None:
        self._watch.forget(name)

    async def describe(self, names: Sequence[str]) -> Sequence[BlobProperties | DomainError]:
        return await self._files.looks([(self._folder.name, name) for name in names])

    def body(self, name: str) -> io.RawIOBase:
        return LazyFile(self._folder / name)

    async def is_there(self, name: str) -> bool:
        return await asyncio.to_thread((self._folder / name).exists)


class ListedSource(ArrivalSource):
    """The blobs of a container, by listing it: for a store that tells of no events. A look
    costs a call for each page of the list, so it is taken once a second."""

    interval = 1.0

    def __init__(self, blobs: BlobStore, container: str) -> None:
        self._blobs = blobs
        self._container = container
        self._known: dict[str, Signature] = {}

    async def start(self, settled: Mapping[str, Signature]) -> None:
        self._known = dict(settled)

    async def look(self, *, full: bool) -> Sequence[Arrival]:
        there: dict[str, Signature] = {}
        arrivals: list[Arrival] = []
        async for blob in self._blobs.list(self._container):
            modified = int(blob.last_modified.timestamp() * 1e9)
            # In place of an inode: two contents within one second differ in their ETag.
            signature = Signature(blob.size, modified, _number(blob.etag))
            there[blob.name] = signature
            if self._known.get(blob.name) != signature:
                arrivals.append(Arrival(blob.name, signature, modified))
        self._known = there
        return arrivals

    def forget(self, name: str) -> None:
        self._known.pop(name, None)

    async def describe(self, names: Sequence[str]) -> Sequence[BlobProperties | DomainError]:
        return await asyncio.gather(*(self._properties(name) for name in names))

    async def _properties(self, name: str) -> BlobProperties | DomainError:
        try:
            return await self._blobs.properties(self._container, name)
        except DomainError as error:
            return error

    def body(self, name: str) -> io.RawIOBase:
        return _Elsewhere(f"{self._container}/{name}")

    async def is_there(self, name: str) -> bool:
        return name in self._known


class LazyFile(io.RawIOBase):
    """A file opened at its first read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.BufferedReader | None = None

    def read(self, size: int | None = -1) -> bytes:
        if self._file is None:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            self._file = os.fdopen(descriptor, "rb")
        return self._file.read(size)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()


class _Elsewhere(io.RawIOBase):
    """The content of a blob that is not on this machine: its function reads it through the
    blob store, by its name."""

    def __init__(self, place: str) -> None:
        self._place = place

    def read(self, size: int | None = -1) -> bytes:
        raise OSError(f"{self._place} is not on this machine; read it through the blob store.")


def _number(etag: str) -> int:
    # SQLite keeps 63 bits.
    return int.from_bytes(etag.encode()[-16:], "big") % 2**63
