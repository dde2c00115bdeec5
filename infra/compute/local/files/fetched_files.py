"""Models and code, brought from the blob store to folders that processes read.

A folder is named by the hash of what is in it (names and ETags), so the same content is
fetched once, and changed content never reaches a process that has begun with the old.
"""

import asyncio
import hashlib
import json
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from domain.errors import BlobNotFound, StaleETag
from domain.ports import BlobFolder, BlobProperties, BlobStore
from infra.compute.local.failure import StartFailure

_TRIES: Final = 3
_FRESH: Final = 600.0
_PARTIAL: Final = ".partial"


@dataclass(frozen=True)
class Asset:
    """`folder` holds the last segment of the asset's path (all of it, for a whole
    container); `content` is that file or folder itself."""

    folder: Path
    content: Path

    @property
    def root(self) -> Path:
        """The folder to run from: the content, or the folder around a single file."""
        return self.content if self.content.is_dir() else self.folder


class Assets:
    """Fetches into `root`."""

    def __init__(self, root: Path, blobs: BlobStore) -> None:
        self._root = root
        self._blobs = blobs
        self._fetches: dict[str, asyncio.Task[None]] = {}

    def sweep(self) -> None:
        """Remove what a killed fetch left."""
        self._root.mkdir(parents=True, exist_ok=True)
        for entry in self._root.iterdir():
            if entry.name.endswith(_PARTIAL):
                shutil.rmtree(entry, ignore_errors=True)

    async def ensure(self, source: BlobFolder) -> Asset:
        """The asset as it is in the store now. Raises StartFailure."""
        for _ in range(_TRIES):
            files = await self._list(source)
            if not files:
                name = "/".join(part for part in (source.container, source.path) if part)
                raise StartFailure("ResourceNotFound", f"Nothing is at {name} in the blob store.")
            key = _key_of(source, files)
            folder = self._root / key
            try:
                await self._fetch_once(key, folder, source, files)
            except (StaleETag, BlobNotFound):
                continue  # it changed under our hands: look again
            except OSError as error:
                raise StartFailure(
                    "ResourceNotReady", f"The model's files cannot be stored here: {error}."
                ) from error
            last = PurePosixPath(source.path).name
            return Asset(folder, folder / last if last else folder)
        raise StartFailure(
            "ResourceNotReady", f"{source.container}/{source.path} changes while it is being read."
        )

    async def name_of(self, source: BlobFolder) -> str:
        """The name that the folder of the asset has, as it is in the store now."""
        return _key_of(source, await self._list(source))

    def prune(self, in_use: set[str], keep: int) -> None:
        """Delete assets that nothing uses, but for the `keep` used last and those used
        in the last minutes, which someone may be about to run from."""
        before = time.time() - _FRESH
        idle = [
            entry
            for entry in self._root.iterdir()
            if entry.name not in in_use and entry.name not in self._fetches
        ]
        idle = [entry for entry in idle if not entry.name.endswith(_PARTIAL)]
        idle.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in idle[keep:]:
            if entry.stat().st_mtime > before:
                continue
            gone = entry.with_name(f"{entry.name}.{uuid.uuid4().hex}{_PARTIAL}")
            entry.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    async def close(self) -> None:
        fetches = list(self._fetches.values())
        for fetch in fetches:
            fetch.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)

    async def _list(self, source: BlobFolder) -> list[BlobProperties]:
        path = source.path.strip("/")
        prefix = f"{path}/" if path else ""
        files = [blob async for blob in self._blobs.list(source.container, prefix)]
        if path and not files:
            try:
                files = [await self._blobs.properties(source.container, path)]
            except BlobNotFound:
                return []
        return files

    async def _fetch_once(
        self, key: str, folder: Path, source: BlobFolder, files: list[BlobProperties]
    ) -> None:
        fetch = self._fetches.get(key)
        if fetch is None:
            if folder.is_dir():
                os.utime(folder)
                return
            fetch = asyncio.create_task(self._fetch(folder, source, files))
            self._fetches[key] = fetch
            fetch.add_done_callback(lambda _: self._fetches.pop(key, None))
        await asyncio.shield(fetch)

    async def _fetch(self, folder: Path, source: BlobFolder, files: list[BlobProperties]) -> None:
        partial = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}{_PARTIAL}")
        above = PurePosixPath(source.path.strip("/")).parent.as_posix()
        prefix = "" if above == "." else f"{above}/"
        try:
            await asyncio.to_thread(partial.mkdir, parents=True)
            for blob in files:
                await self._fetch_file(partial, blob.name.removeprefix(prefix), source, blob)
            await asyncio.to_thread(partial.rename, folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)

    async def _fetch_file(
        self, partial: Path, name: str, source: BlobFolder, blob: BlobProperties
    ) -> None:
        target = partial / _safe(name)
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        with await asyncio.to_thread(target.open, "wb") as file:
            async for piece in self._blobs.read(source.container, blob.name, etag=blob.etag):
                await asyncio.to_thread(file.write, piece)


def _safe(name: str) -> str:
    """The store checks names too; a path that leaves its folder must need two mistakes."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        raise StartFailure("BadArgument", f"{name!r} is no name for a file of a model or its code.")
    return name


def _key_of(source: BlobFolder, files: list[BlobProperties]) -> str:
    content = [source.container, source.path, [[blob.name, blob.etag] for blob in files]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
