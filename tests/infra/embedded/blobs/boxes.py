"""A container, and what is in it."""

from pathlib import Path

from infra.embedded.blobs.file_blob_store import FileBlobStore

MIB = 1024 * 1024


def opened(folder: Path) -> FileBlobStore:
    return FileBlobStore(folder, base_url="https://127.0.0.1:7443", key=b"k" * 32)


async def content(blobs: FileBlobStore, name: str) -> bytes:
    return b"".join([piece async for piece in blobs.read("box", name)])


async def names(blobs: FileBlobStore, prefix: str = "") -> list[str]:
    return [blob.name async for blob in blobs.list("box", prefix)]


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
