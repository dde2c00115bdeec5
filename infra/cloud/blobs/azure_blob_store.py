"""The BlobStore port on a storage account.

A read is a series of ranges, each with If-Match, so that it never mixes two contents.
`blob_writing` writes, `blob_account` signs."""

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient

from domain import errors
from domain.ports import BlobProperties, BlobStore, Permission
from infra.cloud.blobs.blob_account import BlobAccount, Credential, parse_connection_string
from infra.cloud.blobs.blob_calls import BlobCalls, matching
from infra.cloud.blobs.blob_listing import BlobListing
from infra.cloud.blobs.blob_writing import PIECE, BlobWriting
from infra.cloud.code_point_order import in_code_point_order
from infra.cloud.patience import Patience
from infra.rules import blob_names
from infra.rules.blob_record import checked

_LOAN = timedelta(hours=1)
_PATIENCE = Patience(budget=120.0, attempt=60.0)


class AzureBlobStore(BlobStore):
    """Blobs of the account whose Blob service is at `url`; `credential` is its key, or an
    identity, which its owner closes. `page_size` is how many blobs are listed at once (None:
    as many as Azure gives, 5,000). `client_options` go to the SDK's client."""

    def __init__(
        self,
        url: str,
        credential: Credential,
        *,
        patience: Patience = _PATIENCE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        page_size: int | None = None,
        client_options: dict[str, Any] | None = None,
    ) -> None:
        self._account = BlobAccount(
            url, credential, patience=patience, now=now, client_options=client_options or {}
        )
        self._calls = BlobCalls(self._account, patience)
        self._writing = BlobWriting(self._calls)
        self._listing = BlobListing(self._account, self._calls, patience, now, page_size)

    @classmethod
    def from_connection_string(cls, connection_string: str, **options: Any) -> Self:
        """`options` are the constructor's. Raises Invalid."""
        url, credential = parse_connection_string(connection_string)
        return cls(url, credential, **options)

    async def close(self) -> None:
        await self._listing.close()
        await self._account.close()

    async def properties(self, container: str, name: str) -> BlobProperties:
        found, _ = await self._calls.look(container, name)
        return found

    async def read(
        self,
        container: str,
        name: str,
        *,
        etag: str | None = None,
        offset: int = 0,
        length: int | None = None,
    ) -> AsyncIterator[bytes]:
        blob = self._calls.blob(container, name)
        if offset < 0 or (length is not None and length < 0):
            raise errors.Invalid("Offset and length cannot be negative.")
        if length == 0:
            await self._calls.look(container, name, etag)
            return
        end = None if length is None else offset + length
        while end is None or offset < end:
            wanted = PIECE if end is None else min(PIECE, end - offset)
            piece, etag, size = await self._calls.call(
                container, name, _Range(blob, etag, offset, wanted)
            )
            if piece:
                yield piece
            offset += len(piece)
            end = size if end is None else min(size, end)

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
        _check(container, name)
        record = checked(content_type, metadata)
        return await self._writing.write(container, name, content, record, if_absent)

    async def delete(self, container: str, name: str) -> None:
        blob = self._calls.blob(container, name)

        async def delete() -> None:
            try:
                await blob.delete_blob(delete_snapshots="include")
            except ResourceNotFoundError:
                return

        await self._calls.call(container, name, delete)

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        async with aclosing(self._listing.blobs(container, prefix)) as listed:
            async for blob in in_code_point_order(listed, lambda blob: blob.name):
                yield blob

    async def stage_block(self, container: str, name: str, block_id: str, content: bytes) -> None:
        await self._writing.stage(container, name, block_id, content)

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
        _check(container, name)
        record = checked(content_type, metadata)
        return await self._writing.commit(container, name, block_ids, record, if_absent)

    async def lend(self, blobs: Sequence[tuple[str, str]]) -> Sequence[str]:
        return [await self.sign(*blob, frozenset({Permission.READ}), _LOAN) for blob in blobs]

    async def lend_block(self, container: str, name: str, block_id: str) -> str:
        _check(container, name)
        blob_names.check_block_id(block_id)
        await self._calls.ensure(container)
        url = await self.sign(container, name, frozenset({Permission.WRITE}), _LOAN)
        id = base64.b64encode(block_id.encode()).decode("ascii")
        return f"{url}&comp=block&blockid={quote(id, safe='')}"

    async def sign(
        self,
        container: str,
        name: str | None,
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> str:
        plain = self.url(container, name)
        if Permission.WRITE in permissions:
            # Whoever is given the URL may write, but not make the container.
            await self._calls.ensure(container)
        query = await self._account.signature(container, name, permissions, expires_in)
        return f"{plain}?{query}"

    async def close_to_writers(self, container: str) -> None:
        """Nothing to be done: see the port."""

    def url(self, container: str, name: str | None = None) -> str:
        _check(container, name)
        return self._account.plain_url(container, name)

    def locate(self, url: str) -> tuple[str, str] | None:
        return self._account.locate(url)


class _Range:
    """Reads up to `length` bytes from `offset`: the bytes, and ETag and size of the blob."""

    def __init__(self, blob: BlobClient, etag: str | None, offset: int, length: int) -> None:
        self._blob = blob
        self._etag = etag
        self._offset = offset
        self._length = length

    async def __call__(self) -> tuple[bytes, str | None, int]:
        try:
            download = await self._blob.download_blob(
                offset=self._offset, length=self._length, **matching(self._etag)
            )
            content = await download.readall()
        except HttpResponseError as error:
            if error.status_code == 416:  # nothing there: an empty blob, or past the end
                return b"", self._etag, self._offset
            raise
        size = int(str(download.properties.content_range).rpartition("/")[2])
        return content, str(download.properties.etag), size


def _check(container: str, name: str | None) -> None:
    blob_names.check_container(container)
    if name is not None:
        blob_names.segments(name)
