"""The BlobStore port on plain files.

    <data>/blobs/<container>/<name>    the blobs, under their own names: users may put files
                                       there and take files from there
    <data>/blob-state/                 drafts, records, uncommitted blocks

A blob is written as a draft on the same file system and gets its name in one step, so no
reader sees half of one and a killed process leaves none. Its content is brought to the disk
(fdatasync) before it gets the name, and the name is not: a power failure may lose the last
blobs, and leaves none torn. Blocks are not synced before they are committed. Measured on
ext4 and a virtual SSD, a small blob takes 0.5 ms, of which 0.27 ms is the sync.
"""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain import errors
from domain.ports import BlobProperties, BlobStore, Permission
from infra.embedded import blob_names, blob_records
from infra.embedded.blob_files import BlobFiles
from infra.embedded.disk import Disk, Steps
from infra.embedded.signed_urls import SignedUrls

_WRITTEN_AT_ONCE = 1024 * 1024
_COMMITTED_BLOCKS = 50_000
_COMMIT_WAIT = 15 * 60.0


class FileBlobStore(BlobStore):
    """Blobs under `data_dir`. `key` signs URLs under `base_url`; `signed_urls` checks them.

    A name and a folder cannot be the same, as in accounts with a hierarchical namespace:
    writing `a/b` where `a` is a blob is a Conflict. An empty folder gives way. What a user
    changes in place during a read ends the read with StaleETag."""

    def __init__(
        self,
        data_dir: Path,
        *,
        base_url: str,
        key: bytes | Callable[[], bytes],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.signed_urls = SignedUrls(base_url, key, now=now)
        self._disk = Disk()
        self._files = BlobFiles(data_dir.absolute())
        self._commits: weakref.WeakValueDictionary[tuple[str, str], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    async def close(self) -> None:
        """Finish the file work under way."""
        await self._disk.close()

    async def sweep(self) -> None:
        """Remove drafts a crash left behind, blocks uncommitted for a week, and records of
        blobs that are no more. For a timer: at start, then daily."""
        await self._disk.through(Steps(self._files.sweep()))

    async def properties(self, container: str, name: str) -> BlobProperties:
        return await self._disk.run(self._files.look, _segments(container, name))

    async def read(
        self,
        container: str,
        name: str,
        *,
        etag: str | None = None,
        offset: int = 0,
        length: int | None = None,
    ) -> AsyncIterator[bytes]:
        segments = _segments(container, name)
        if offset < 0 or (length is not None and length < 0):
            raise errors.Invalid("Offset and length cannot be negative.")
        blob, piece = await self._disk.run(self._files.open, segments, etag, offset, length)
        try:
            while piece:
                yield piece
                piece = await self._disk.run(blob.read) if blob.left else b""
        finally:
            if blob.left:
                self._disk.later(blob.close)

    async def write(
        self,
        container: str,
        name: str,
        content: AsyncIterator[bytes] | bytes,
        *,
        if_absent: bool = False,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> BlobProperties:
        segments = _segments(container, name)
        record = blob_records.checked(content_type, metadata)
        if isinstance(content, bytes):
            return await self._disk.run(self._files.write, segments, content, record, if_absent)
        if if_absent:
            await self._disk.run(self._files.refuse_if_there, segments)
        draft = self._files.drafts.new()
        try:
            async for piece in _gathered(content):
                await self._disk.run(draft.write, piece)
            return await self._disk.run(self._files.publish, draft, segments, record, if_absent)
        finally:
            self._disk.later(draft.discard)

    async def delete(self, container: str, name: str) -> None:
        await self._disk.run(self._files.remove, _segments(container, name))

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        blob_names.check_container(container)
        pages = Steps(self._files.pages(container, prefix))
        try:
            while (page := await self._disk.run(pages.next)) is not None:
                for blob in page:
                    yield blob
        finally:
            self._disk.later(pages.close)

    async def stage_block(self, container: str, name: str, block_id: str, content: bytes) -> None:
        _check(container, name)
        if not content:
            raise errors.Invalid("A block has at least one byte.", target="content")
        await self._disk.run(self._files.blocks.stage, container, name, block_id, content)

    async def commit_blocks(
        self,
        container: str,
        name: str,
        block_ids: Sequence[str],
        *,
        if_absent: bool = False,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> BlobProperties:
        segments = _segments(container, name)
        record = blob_records.checked(content_type, metadata)
        if len(block_ids) > _COMMITTED_BLOCKS:
            raise errors.Invalid(
                f"A blob has at most {_COMMITTED_BLOCKS} blocks, not {len(block_ids)}.",
                code="BlockCountExceedsLimit",
                target="blockIds",
            )
        lock = self._commits.setdefault((container, name), asyncio.Lock())
        work = Steps(self._files.commit(segments, tuple(block_ids), record, if_absent))
        try:
            async with asyncio.timeout(_COMMIT_WAIT), lock:
                (blob,) = await self._disk.through(work) or ()
        except TimeoutError:
            raise errors.Unavailable(
                f"The blob {name!r} was not committed within {_COMMIT_WAIT:g} seconds."
            ) from None
        return blob

    async def lend(self, container: str, name: str) -> str:
        segments = _segments(container, name)
        await self._disk.run(self._files.look, segments)
        return self._files.tree.path(segments).as_uri()

    async def lend_block(self, container: str, name: str, block_id: str) -> str:
        _check(container, name)
        place = await self._disk.run(self._files.blocks.place, container, name, block_id)
        return place.as_uri()

    async def sign(
        self,
        container: str,
        name: str | None,
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> str:
        _check(container, name)
        return self.signed_urls.sign(container, name, permissions, expires_in)

    def url(self, container: str, name: str | None = None) -> str:
        _check(container, name)
        return self.signed_urls.url(container, name)

    def locate(self, url: str) -> tuple[str, str] | None:
        return self.signed_urls.locate(url)


def _check(container: str, name: str | None) -> None:
    blob_names.check_container(container)
    if name is not None:
        blob_names.segments(name)


def _segments(container: str, name: str) -> Sequence[str]:
    return [blob_names.check_container(container), *blob_names.segments(name)]


async def _gathered(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces that are worth a hop to a thread."""
    pieces: list[bytes] = []
    size = 0
    async for piece in content:
        pieces.append(piece)
        size += len(piece)
        if size >= _WRITTEN_AT_ONCE:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)
