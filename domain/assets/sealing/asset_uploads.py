"""Where the files of versions to come are put, for as long as none is registered there."""

from uuid import uuid4

from domain.assets.asset import AssetKind
from domain.assets.asset_documents import AssetDocuments, check_names, noun
from domain.assets.datastore import UPLOAD_PREFIX, URL_VALIDITY
from domain.assets.releasing import asset_release
from domain.errors import Conflict
from domain.ports import BlobFolder, BlobStore, Clock, Permission, StorageRoom
from domain.values import Value

_PERMISSIONS = frozenset({Permission.READ, Permission.WRITE, Permission.LIST})


class PendingUpload(Value):
    """Where the files of a version to come are put: `sas_uri` for every blob of the
    container, by putting `/{name}` before its query."""

    id: str
    blob_uri: str
    sas_uri: str


class AssetUploads:
    """While there is no `room`, nothing is begun; what comes to nothing is freed after a day."""

    def __init__(
        self, documents: AssetDocuments, blobs: BlobStore, clock: Clock, room: StorageRoom
    ) -> None:
        self._documents = documents
        self._blobs = blobs
        self._clock = clock
        self._room = room

    async def start(self, kind: AssetKind, name: str, version: str) -> PendingUpload:
        """A container of its own for the files of a version to come. Raises Conflict if
        the version is there already, as ARM does, and StorageFull."""
        check_names(name, version)
        await self._room.check()
        if await self._documents.version(kind, name, version) is not None:
            raise Conflict(
                f"{noun(kind, name, version)} exists already, and a version keeps its files. "
                "Upload for a new version.",
                code="AssetAlreadyExists",
            )
        id = str(uuid4())
        container = f"{UPLOAD_PREFIX}{id}"
        of = f"{kind.plural}/{name}:{version}"
        left = asset_release.of_upload(of, container, self._clock.now())
        await self._documents.write(kind, name, left)
        sas_uri = await self._blobs.sign(container, None, _PERMISSIONS, URL_VALIDITY)
        return PendingUpload(id=id, blob_uri=self._blobs.url(container), sas_uri=sas_uri)

    async def end(self, folder: BlobFolder | None) -> None:
        """What was put there is registered: the URL it was put by writes no more, where the blob
        store can take it back. Places that are no upload's stay as they are."""
        if folder is not None and folder.container.startswith(UPLOAD_PREFIX):
            await self._blobs.close_to_writers(folder.container)
