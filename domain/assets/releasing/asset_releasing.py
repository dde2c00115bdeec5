"""Freeing the files that deleted versions and abandoned uploads left behind, as the sweep finds
them.

Two looks, a while apart: the first says that the place is to go, and from then on nothing is
registered there; the second finds whatever was registered meanwhile, and else deletes. Each look
may be broken off, repeated, or taken by several hosts at a time.
"""

import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from domain.assets.asset import CODES, DATA, ENVIRONMENTS, MODELS, AssetKind
from domain.assets.datastore import SYSTEM_CONTAINER
from domain.assets.releasing.asset_release import (
    KIND,
    AssetRelease,
    from_document,
    overlap,
    replaced,
)
from domain.assets.sealing.seals import list_names
from domain.assets.using.asset_use import AssetUse
from domain.errors import Conflict
from domain.ports import (
    BlobFolder,
    BlobStore,
    Clock,
    Delete,
    Document,
    ResourceStore,
    all_documents,
)

_GRACE = timedelta(minutes=1)
"""Longer than a PUT takes from its look at the place to its write."""
_LOOK_AGAIN = timedelta(minutes=10)

_log = logging.getLogger("ml_endpoints.assets")


class AssetReleasing:
    """`use` knows what deployments, jobs and schedules point at."""

    def __init__(self, store: ResourceStore, blobs: BlobStore, clock: Clock, use: AssetUse) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._use = use

    async def check_stays(self, folder: BlobFolder) -> None:
        """Raises Conflict for a place whose files are about to be deleted."""
        async for document in all_documents(self._store, KIND, where={"going": True}):
            place = from_document(document).place
            if place is not None and overlap(place, folder):
                raise Conflict(
                    f"The files in '{folder.container}/{folder.path}' are being deleted: the last "
                    "version that named them was. Upload them again in two minutes, or elsewhere.",
                    code="AssetFilesAreDeleted",
                )

    async def resume(self, document: Document) -> None:
        """Take the next step for a place that is due. Raises StaleETag."""
        release, now = from_document(document), self._clock.now()
        place = release.place
        if place is not None and await self._is_named(place):
            # Its version leaves a document of its own.
            release = release.but(place=None)
        elif place is not None and await self._use.reads(place):
            await self._save(release.but(going=False), document, now + _LOOK_AGAIN)
            return
        if release.place is not None and not release.going:
            await self._save(release.but(going=True), document, now + _GRACE)
            return
        await self._free(release)
        await self._store.transact(document.partition, [Delete(document.id, document.etag)])

    async def _save(self, release: AssetRelease, document: Document, due: datetime) -> None:
        await self._store.transact(document.partition, [replaced(release, document, due)])

    async def _free(self, release: AssetRelease) -> None:
        place, count, size = release.place, 0, 0
        if place is not None:
            prefix = f"{place.path}/" if place.path else ""
            async for blob in self._blobs.list(place.container, prefix):
                await self._blobs.delete(place.container, blob.name)
                count, size = count + 1, size + blob.size
        if release.seal is not None and not await self._is_sealed(release.seal):
            for name in list_names(release.seal):
                await self._blobs.delete(SYSTEM_CONTAINER, name)
        if count:
            _log.info(
                "%d files (%d bytes) of %s, which was deleted, are freed",
                count,
                size,
                release.of,
                extra={"action": "asset_files_freed", "asset": release.of, "bytes": size},
            )

    async def _is_named(self, place: BlobFolder) -> bool:
        """Whether a version has its files there."""
        async for version in self._versions(MODELS, CODES, DATA, ENVIRONMENTS):
            folder = version.body["resource"].get("folder")
            if folder and overlap(place, BlobFolder(folder["container"], folder["path"])):
                return True
        return False

    async def _is_sealed(self, seal: str) -> bool:
        async for version in self._versions(MODELS, CODES, ENVIRONMENTS):
            if (version.body.get("seal") or {}).get("id") == seal:
                return True
        return False

    async def _versions(self, *kinds: AssetKind) -> AsyncIterator[Document]:
        for kind in kinds:
            async for document in all_documents(self._store, kind.version_kind):
                yield document
