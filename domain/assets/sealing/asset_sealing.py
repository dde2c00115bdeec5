"""The files of versions that are run: those that were registered, and no others."""

from typing import Any

from domain.assets.asset import AssetKind, CodeVersion, ModelVersion
from domain.assets.asset_documents import TRIES, AssetDocuments, noun, raced, saved, version_write
from domain.assets.sealing.seals import Seals
from domain.errors import NotFound, StaleETag
from domain.ports import BlobFolder, BlobStore, SealedFolder


class AssetSealing:
    def __init__(self, documents: AssetDocuments, blobs: BlobStore) -> None:
        self._documents = documents
        self._seals = Seals(blobs)

    async def admit(self, kind: AssetKind, folder: BlobFolder | None) -> dict[str, Any]:
        """What a new version has for its files as they are now. Raises Invalid and Conflict."""
        if folder is None or not kind.is_run:
            return {}
        return {"seal": await self._seals.seal(folder)}

    async def files(self, kind: AssetKind, version: ModelVersion | CodeVersion) -> SealedFolder:
        """Those that were registered. What v0.1.0 has registered, which kept no list of them, is
        sealed now. Raises NotFound, Conflict."""
        found: Any = version
        for _ in range(TRIES):
            if found.seal is not None:
                return SealedFolder(found.folder.container, found.folder.path, found.seal.id)
            document = await self._documents.version(kind, found.name, found.version)
            if document is None:
                raise NotFound(f"{noun(kind, found.name, found.version)} was not found.")
            found = saved(kind.version, document).asset
            if found.seal is not None:
                continue
            found = found.but(seal=await self._seals.seal(found.folder))
            try:
                await self._documents.write(kind, found.name, version_write(kind, found, document))
            except StaleETag:
                found = version
        raise raced(noun(kind, version.name, version.version))
