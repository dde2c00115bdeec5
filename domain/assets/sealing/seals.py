"""What a registered version consists of, file by file, so that nothing else is ever run for it.

A seal lists each file's name, size, ETag and SHA-256 as they were at registration. The list is
named by its own hash and lies in a container that no URL reaches. A version with more to read than
a PUT may take is proven by its ETags, which no uploader can choose, until its files have first
been fetched as they were: their digests are kept then. A digest that is known decides alone, so
that a blob store may be restored or moved, and files may come to lie beside those of a version.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from domain.assets.datastore import SYSTEM_CONTAINER
from domain.errors import BlobExists, BlobNotFound, Conflict, Invalid, StaleETag
from domain.ground.rehearsal import is_rehearsed
from domain.ports import BlobFolder, BlobStore, SealedFolder
from domain.values import Value

MOST_FILES: Final = 100_000
READ_AT_ONCE: Final = 256 * 2**20
"""Bytes that a registration reads for their digests before it answers."""

_TRIES: Final = 3
_TOGETHER: Final = 8
_QUICKLY_HASHED: Final = 64 * 1024


class AssetChanged(Conflict):
    """The files of a version are not those that were registered."""

    code = "AssetChanged"


class Seal(Value):
    """`id` names the list; `files` and `bytes` are how much there is."""

    id: str
    files: int
    bytes: int


@dataclass(frozen=True)
class SealedFile:
    """`name` is the blob's; `sha256` is in hex, None where it is not known yet."""

    name: str
    size: int
    etag: str
    sha256: str | None


class SealedReading:
    """One reading of a file of `container`: nothing of it may be used before its end, where it
    has proven to be what was registered. `sha256` is its digest then."""

    def __init__(self, blobs: BlobStore, container: str, file: SealedFile) -> None:
        self._blobs = blobs
        self._container = container
        self._file = file
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises AssetChanged."""
        file, size = self._file, 0
        etag = file.etag if file.sha256 is None else None
        try:
            async for piece in self._blobs.read(self._container, file.name, etag=etag):
                size += len(piece)
                if size > file.size:
                    raise self._changed("it is larger")
                if len(piece) <= _QUICKLY_HASHED:
                    self._digest.update(piece)
                else:
                    await asyncio.to_thread(self._digest.update, piece)
                yield piece
        except BlobNotFound:
            raise self._changed("it is gone") from None
        except StaleETag:
            raise self._changed("it has been written anew") from None
        if size != file.size:
            raise self._changed(f"it has {size} bytes, and had {file.size}")
        if file.sha256 not in (None, self.sha256):
            raise self._changed(f"its SHA-256 is {self.sha256}, and was {file.sha256}")

    def _changed(self, how: str) -> AssetChanged:
        return AssetChanged(
            f"'{self._container}/{self._file.name}' is not what was registered: {how}. A version "
            "never changes, so nothing of it is run. Put back what was there, or register a new "
            "version."
        )


class Seals:
    """Seals the folders of `blobs`, and reads what is sealed."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def seal(self, folder: BlobFolder) -> Seal:
        """What is in the folder now. Raises Invalid for too many files, and Conflict for what
        does not hold still."""
        for _ in range(_TRIES):
            files = await self._found(folder)
            total = sum(file.size for file in files)
            if total <= READ_AT_ONCE:
                try:
                    files = await self._digested(folder.container, files)
                except AssetChanged:
                    continue
            text = _listed(folder, files)
            id = hashlib.sha256(text).hexdigest()
            if not is_rehearsed():
                await self._write_once(_list_name(id), text)
            return Seal(id=id, files=len(files), bytes=total)
        raise Conflict(
            f"'{folder.container}/{folder.path}' is being written to. Register it once that is "
            "done.",
            code="AssetChanges",
        )

    async def files(self, sealed: SealedFolder) -> Sequence[SealedFile]:
        """In order of name. Raises AssetChanged for a list that is not there, or is another."""
        text = await self._text(_list_name(sealed.seal))
        if text is None or hashlib.sha256(text).hexdigest() != sealed.seal:
            raise AssetChanged(
                f"The list of what was registered of '{sealed.container}/{sealed.path}' is gone "
                "or damaged, so nothing of it is run. Register a new version."
            )
        files = [SealedFile(*row) for row in json.loads(text)["files"]]
        if all(file.sha256 is not None for file in files):
            return files
        kept = await self._text(_digests_name(sealed.seal))
        digests = json.loads(kept) if kept is not None else {}
        return [replace(file, sha256=file.sha256 or digests.get(file.name)) for file in files]

    def reading(self, sealed: SealedFolder, file: SealedFile) -> SealedReading:
        return SealedReading(self._blobs, sealed.container, file)

    async def keep(self, sealed: SealedFolder, digests: Mapping[str, str]) -> None:
        """The digests of files that have been read as they were. What is kept stays."""
        text = json.dumps(dict(digests), sort_keys=True).encode()
        await self._write_once(_digests_name(sealed.seal), text)

    async def _found(self, folder: BlobFolder) -> list[SealedFile]:
        found: list[SealedFile] = []
        prefix = f"{folder.path}/" if folder.path else ""
        async for blob in self._blobs.list(folder.container, prefix):
            found.append(SealedFile(blob.name, blob.size, blob.etag, None))
            if len(found) > MOST_FILES:
                raise Invalid(f"A version has at most {MOST_FILES:,} files; pack them together.")
        if not found:
            blob = await self._blobs.properties(folder.container, folder.path)
            found.append(SealedFile(blob.name, blob.size, blob.etag, None))
        return found

    async def _digested(self, container: str, files: Sequence[SealedFile]) -> list[SealedFile]:
        async def digested(file: SealedFile) -> SealedFile:
            reading = SealedReading(self._blobs, container, file)
            async for _ in reading.pieces():
                pass
            return replace(file, sha256=reading.sha256)

        found: list[SealedFile] = []
        for first in range(0, len(files), _TOGETHER):
            together = files[first : first + _TOGETHER]
            found += await asyncio.gather(*map(digested, together))
        return found

    async def _text(self, name: str) -> bytes | None:
        try:
            return b"".join([piece async for piece in self._blobs.read(SYSTEM_CONTAINER, name)])
        except BlobNotFound:
            return None

    async def _write_once(self, name: str, text: bytes) -> None:
        try:
            await self._blobs.write(SYSTEM_CONTAINER, name, text, if_absent=True)
        except BlobExists:
            return


def _listed(folder: BlobFolder, files: Sequence[SealedFile]) -> bytes:
    rows = [[file.name, file.size, file.etag, file.sha256] for file in files]
    body = {"container": folder.container, "path": folder.path, "files": rows}
    return json.dumps(body, separators=(",", ":")).encode()


def _list_name(seal: str) -> str:
    return f"assets/{seal}.json"


def _digests_name(seal: str) -> str:
    return f"assets/{seal}.digests.json"


def list_names(seal: str) -> tuple[str, str]:
    """Where what is kept of a seal lies, in the container that no URL reaches."""
    return _list_name(seal), _digests_name(seal)
