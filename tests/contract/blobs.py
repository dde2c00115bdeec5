"""What is in a blob store."""

from domain.ports import BlobStore


async def content(blobs: BlobStore, name: str, container: str = "system") -> bytes:
    return b"".join([piece async for piece in blobs.read(container, name)])


async def names(blobs: BlobStore, prefix: str = "", container: str = "system") -> list[str]:
    return [blob.name async for blob in blobs.list(container, prefix)]
