"""The BlobStore port by Azure's own client, on the embedded store's signed URLs."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock, ContentSettings
from azure.storage.blob.aio import BlobClient, ContainerClient

from domain import errors
from domain.ports import BlobProperties, BlobStore, Permission

_DAY = timedelta(days=1)
_AT_ONCE = 1024 * 1024


class DoorBlobStore(BlobStore):
    """Talks to the door of `signer`, which makes the URLs. `ca` is the file to trust."""

    def __init__(self, signer: BlobStore, ca: str) -> None:
        self._signer = signer
        self.ca = ca
        self._clients: dict[str, ContainerClient] = {}
        self._making = asyncio.Lock()
        # Each connection costs a handshake.
        self._turns = asyncio.Semaphore(16)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def properties(self, container: str, name: str) -> BlobProperties:
        with _translated():
            client = await self._blob(container, name)
            return _properties(await client.get_blob_properties())

    async def read(
        self,
        container: str,
        name: str,
        *,
        etag: str | None = None,
        offset: int = 0,
        length: int | None = None,
    ) -> AsyncIterator[bytes]:
        with _translated():
            client = await self._blob(container, name)
            conditions: dict[str, Any] = {}
            if etag is not None:
                conditions = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
            if length == 0:
                await client.get_blob_properties(**conditions)
                return
            # A range of nothing is refused, and so from 0 on is not the same as all of it.
            whole = offset == 0 and length is None
            download = await client.download_blob(None if whole else offset, length, **conditions)
            pieces = download.chunks()
            while True:
                piece = await anext(pieces, b"")
                if not piece:
                    return
                yield piece

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
        with _translated():
            client = await self._blob(container, name)
            size = len(content) if isinstance(content, bytes) else 0

            async def counted(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
                nonlocal size
                async for piece in pieces:
                    size += len(piece)
                    yield piece

            async with self._turns:
                written = await client.upload_blob(
                    content if isinstance(content, bytes) else counted(content),
                    overwrite=not if_absent,
                    content_settings=ContentSettings(content_type=content_type),
                    metadata=dict(metadata or {}),
                )
        return _written(name, size, written, content_type, metadata)

    async def delete(self, container: str, name: str) -> None:
        with _translated():
            client = await self._blob(container, name)
            try:
                await client.delete_blob()
            except ResourceNotFoundError:
                return

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        with _translated():
            client = await self._container(container)
            found = client.list_blobs(name_starts_with=prefix or None, include=["metadata"])
            async for blob in found:
                yield _properties(blob)

    async def stage_block(self, container: str, name: str, block_id: str, content: bytes) -> None:
        async with self._turns:
            with _translated():
                await (await self._blob(container, name)).stage_block(block_id, content)

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
        with _translated():
            client = await self._blob(container, name)
            absent: dict[str, Any] = {}
            if if_absent:
                absent["match_condition"] = MatchConditions.IfMissing
            await client.commit_block_list(
                [BlobBlock(block_id=id) for id in block_ids],
                content_settings=ContentSettings(content_type=content_type),
                metadata=dict(metadata or {}),
                **absent,
            )
            return _properties(await client.get_blob_properties())

    async def lend(self, blobs: Sequence[tuple[str, str]]) -> Sequence[str]:
        return [await self.sign(*blob, frozenset({Permission.READ}), _DAY) for blob in blobs]

    async def lend_block(self, container: str, name: str, block_id: str) -> str:
        return await self.sign(container, name, frozenset({Permission.WRITE}), _DAY)

    async def sign(
        self,
        container: str,
        name: str | None,
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> str:
        return await self._signer.sign(container, name, permissions, expires_in)

    async def close_to_writers(self, container: str) -> None:
        await self._signer.close_to_writers(container)

    def url(self, container: str, name: str | None = None) -> str:
        return self._signer.url(container, name)

    def locate(self, url: str) -> tuple[str, str] | None:
        return self._signer.locate(url)

    async def _container(self, container: str) -> ContainerClient:
        async with self._making:
            client = self._clients.get(container)
            if client is None:
                url = await self._signer.sign(container, None, frozenset(Permission), _DAY)
                client = ContainerClient.from_container_url(
                    url,
                    connection_verify=self.ca,
                    retry_total=0,
                    max_single_put_size=_AT_ONCE,
                    max_block_size=_AT_ONCE,
                )
                self._clients[container] = client
            return client

    async def _blob(self, container: str, name: str) -> BlobClient:
        # What no URL can carry: clients resolve dots before they ask. And of a name that ends with
        # a slash the door says that no blob has it, as its own tests show.
        if not name or name.endswith("/") or {".", ".."} & set(name.split("/")):
            raise errors.Invalid(f"{name!r} cannot name a blob.")
        return (await self._container(container)).get_blob_client(name)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ResourceNotFoundError as error:
        raise errors.BlobNotFound(error.message) from error
    except ResourceModifiedError as error:
        raise errors.StaleETag(error.message) from error
    except ResourceExistsError as error:
        exists = getattr(error, "error_code", None) == "BlobAlreadyExists"
        raise (errors.BlobExists if exists else errors.Conflict)(error.message) from error
    except HttpResponseError as error:
        if error.status_code in (400, 413):
            raise errors.Invalid(error.message) from error
        raise


def _properties(blob: Any) -> BlobProperties:
    return BlobProperties(
        name=blob.name,
        size=blob.size,
        # A listing shows it without the quotes.
        etag=f'"{blob.etag.strip(chr(34))}"',
        last_modified=blob.last_modified,
        content_type=blob.content_settings.content_type,
        metadata=dict(blob.metadata or {}),
    )


def _written(
    name: str,
    size: int,
    told: Mapping[str, Any],
    content_type: str,
    metadata: Mapping[str, str] | None,
) -> BlobProperties:
    return BlobProperties(
        name=name,
        size=size,
        etag=told["etag"],
        last_modified=told["last_modified"],
        content_type=content_type,
        metadata=dict(metadata or {}),
    )
