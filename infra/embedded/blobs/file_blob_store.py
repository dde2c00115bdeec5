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
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from domain.ports import BlobProperties, BlobStore, Permission
from infra.embedded.blobs.file_blobs import FileBlobs, segments_of
from infra.embedded.blobs.revocations import Revocations
from infra.embedded.blobs.signed_urls import SignedUrls
from infra.embedded.blobs.stored_blob import NamedBlock
from infra.rules import blob_names
from infra.rules.blob_record import checked

_LOAN: Final = timedelta(hours=1)
_READ: Final = frozenset({Permission.READ})
_WRITE: Final = frozenset({Permission.WRITE})


class FileBlobStore(BlobStore):
    """Blobs under `data_dir`. `key` signs URLs under `base_url`; `signed_urls` checks them,
    and `files` is what else the blobs' files can do.

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
        revocations = Revocations.of(data_dir)
        self.signed_urls = SignedUrls(base_url, key, now=now, revocations=revocations)
        self.files = FileBlobs(data_dir)
        self._lent_at: Callable[[], Awaitable[str]] | None = None
        self._lent_urls = self.signed_urls

    def lend_at(self, base_url: Callable[[], Awaitable[str]]) -> None:
        """From now on blobs are lent by signed URLs below what it gives, to who sees no file of
        this machine."""
        self._lent_at = base_url

    async def close(self) -> None:
        """Finish the file work under way."""
        await self.files.close()

    async def sweep(self) -> None:
        """Remove drafts a crash left behind, blocks uncommitted for a week, and records of
        blobs that are no more. For a timer: at start, then daily."""
        await self.files.sweep()
        await asyncio.to_thread(self.signed_urls.revocations.sweep)

    async def properties(self, container: str, name: str) -> BlobProperties:
        return await self.files.properties(container, name)

    def read(
        self,
        container: str,
        name: str,
        *,
        etag: str | None = None,
        offset: int = 0,
        length: int | None = None,
    ) -> AsyncIterator[bytes]:
        return self.files.read(container, name, etag, offset, length)

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
        record = checked(content_type, metadata)
        return await self.files.write(container, name, content, record, if_absent=if_absent)

    async def delete(self, container: str, name: str) -> None:
        await self.files.delete(container, name)

    def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        return self.files.list(container, prefix)

    async def stage_block(self, container: str, name: str, block_id: str, content: bytes) -> None:
        await self.files.stage(container, name, block_id, content)

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
        record = checked(content_type, metadata)
        blocks = [NamedBlock(id) for id in block_ids]
        return await self.files.commit(container, name, blocks, record, if_absent=if_absent)

    async def lend(self, blobs: Sequence[tuple[str, str]]) -> Sequence[str]:
        urls = await self._lending()
        if urls is None:
            return [self.files.uri(*blob) for blob in blobs]
        for blob in blobs:
            _check(*blob)
        return urls.sign_each(blobs, _READ, _LOAN)

    async def lend_block(self, container: str, name: str, block_id: str) -> str:
        urls = await self._lending()
        if urls is None:
            return (await self.files.block_place(container, name, block_id)).as_uri()
        _check(container, name)
        blob_names.check_block_id(block_id)
        id = quote(base64.b64encode(block_id.encode()).decode("ascii"), safe="")
        return f"{urls.sign(container, name, _WRITE, _LOAN)}&comp=block&blockid={id}"

    async def _lending(self) -> SignedUrls | None:
        """None: files are lent as they are."""
        if self._lent_at is None:
            return None
        base_url = await self._lent_at()
        if self._lent_urls.base_url != base_url:
            self._lent_urls = self.signed_urls.below(base_url)
        return self._lent_urls

    async def sign(
        self,
        container: str,
        name: str | None,
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> str:
        _check(container, name)
        return self.signed_urls.sign(container, name, permissions, expires_in)

    async def close_to_writers(self, container: str) -> None:
        await asyncio.to_thread(self.signed_urls.revocations.close, container)

    def url(self, container: str, name: str | None = None) -> str:
        _check(container, name)
        return self.signed_urls.url(container, name)

    def locate(self, url: str) -> tuple[str, str] | None:
        return self.signed_urls.locate(url)


def _check(container: str, name: str | None) -> None:
    if name is None:
        blob_names.check_container(container)
    else:
        segments_of(container, name)
