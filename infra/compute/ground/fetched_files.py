"""Models and code, brought from the blob store to folders that processes read.

A folder is named by the seal of what is in it, so the same version is fetched once. Each file is
checked as it comes: what is not what was registered is not run.
"""

import asyncio
import contextlib
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from domain.assets.sealing.seals import AssetChanged, SealedFile, Seals
from domain.ports import BlobStore, SealedFolder
from infra.compute.ground.failure import StartFailure

_NAME: Final = 32
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
        self._seals = Seals(blobs)
        self._fetches: dict[str, asyncio.Task[None]] = {}

    def sweep(self) -> None:
        """Remove what a killed fetch left."""
        self._root.mkdir(parents=True, exist_ok=True)
        for entry in self._root.iterdir():
            if entry.name.endswith(_PARTIAL):
                shutil.rmtree(entry, ignore_errors=True)

    async def ensure(self, source: SealedFolder) -> Asset:
        """The files as they were registered. Raises StartFailure."""
        folder = self._root / source.seal[:_NAME]
        try:
            await self._fetch_once(folder, source)
        except AssetChanged as error:
            raise StartFailure(error.code, error.message) from None
        except OSError as error:
            raise StartFailure(
                "ResourceNotReady", f"The model's files cannot be stored here: {error}."
            ) from error
        last = PurePosixPath(source.path).name
        return Asset(folder, folder / last if last else folder)

    def prune(self, in_use: set[str], keep: int, before: float) -> None:
        """Delete assets that nothing uses, but for the `keep` used last, and of these what was
        last used `before` then. Those used in the last minutes stay, which someone may be about
        to run from."""
        fresh = time.time() - _FRESH
        for name in in_use:
            with contextlib.suppress(FileNotFoundError):
                os.utime(self._root / name)
        idle = [
            entry
            for entry in self._root.iterdir()
            if entry.name not in in_use and entry.name not in self._fetches
        ]
        idle = [entry for entry in idle if not entry.name.endswith(_PARTIAL)]
        idle.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
        for number, entry in enumerate(idle):
            used = entry.stat().st_mtime
            if used > fresh or (number < keep and used >= before):
                continue
            gone = entry.with_name(f"{entry.name}.{uuid.uuid4().hex}{_PARTIAL}")
            entry.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    async def close(self) -> None:
        fetches = list(self._fetches.values())
        for fetch in fetches:
            fetch.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)

    async def _fetch_once(self, folder: Path, source: SealedFolder) -> None:
        fetch = self._fetches.get(folder.name)
        if fetch is None:
            if folder.is_dir():
                os.utime(folder)
                return
            fetch = asyncio.create_task(self._fetch(folder, source))
            self._fetches[folder.name] = fetch
            fetch.add_done_callback(lambda _: self._fetches.pop(folder.name, None))
        await asyncio.shield(fetch)

    async def _fetch(self, folder: Path, source: SealedFolder) -> None:
        partial = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}{_PARTIAL}")
        above = PurePosixPath(source.path).parent.as_posix()
        prefix = "" if above == "." else f"{above}/"
        files = await self._seals.files(source)
        digests: dict[str, str] = {}
        try:
            await asyncio.to_thread(partial.mkdir, parents=True)
            for file in files:
                target = partial / _safe(file.name.removeprefix(prefix))
                digests[file.name] = await self._fetch_file(target, source, file)
            if any(file.sha256 is None for file in files):
                await self._seals.keep(source, digests)
            await asyncio.to_thread(partial.rename, folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)

    async def _fetch_file(self, target: Path, source: SealedFolder, sealed: SealedFile) -> str:
        """Its digest. Raises AssetChanged."""
        reading = self._seals.reading(source, sealed)
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        with await asyncio.to_thread(target.open, "wb") as file:
            async for piece in reading.pieces():
                await asyncio.to_thread(file.write, piece)
        return reading.sha256


def _safe(name: str) -> str:
    """The store checks names too; a path that leaves its folder must need two mistakes."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        raise StartFailure("BadArgument", f"{name!r} is no name for a file of a model or its code.")
    return name
