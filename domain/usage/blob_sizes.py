"""How many bytes lie in a place of the blob store."""

from domain.errors import BlobNotFound
from domain.ports import BlobFolder, BlobStore


async def bytes_of(blobs: BlobStore, place: BlobFolder) -> int:
    """Of a folder, or else of one blob; however many there are."""
    size, is_folder = 0, not place.path
    async for each in blobs.list(place.container, _prefix(place)):
        size, is_folder = size + each.size, True
    if is_folder:
        return size
    try:
        return (await blobs.properties(place.container, place.path)).size
    except BlobNotFound:
        return 0


def _prefix(place: BlobFolder) -> str:
    return f"{place.path}/" if place.path else ""
