"""Files that count as registered."""

from domain.assets.sealing.seals import Seals
from domain.ports import BlobFolder, BlobStore, SealedFolder


async def sealed(blobs: BlobStore, container: str, path: str) -> SealedFolder:
    """What is there now, as a version that was registered at this moment."""
    seal = await Seals(blobs).seal(BlobFolder(container, path))
    return SealedFolder(container, path, seal.id)
