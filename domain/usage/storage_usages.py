"""What endpoints, deployments, jobs, assets and environments take of disk and Blob."""

from dataclasses import dataclass
from typing import Final

from domain.errors import BlobNotFound, Invalid
from domain.ports import (
    BlobFolder,
    BlobStore,
    DiskState,
    DiskUse,
    Document,
    ResourceStore,
    all_documents,
)
from domain.usage.used_places import COLLECTIONS, Collection, Used

_AT_ONCE: Final = 20
"""Resources in one page."""
_MOST_BLOBS: Final = 5000
"""Of one resource that are counted."""


@dataclass(frozen=True)
class StorageUsage:
    """Of the resource `names` in `collection`, in bytes. `blobs` are how many; where it is not
    complete, there are more."""

    collection: str
    names: tuple[str, ...]
    blobs: int
    blob_bytes: int
    disk_bytes: int
    is_complete: bool


@dataclass
class _Count:
    blobs: int = 0
    size: int = 0
    is_complete: bool = True


class StorageUsages:
    """Counts when it is asked, a page of resources at a time and each within bounds; versions
    of models and code were counted when they were registered."""

    def __init__(
        self,
        store: ResourceStore,
        blobs: BlobStore,
        disk: DiskUse,
        *,
        most_blobs: int = _MOST_BLOBS,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._disk = disk
        self._most_blobs = most_blobs

    async def disk(self) -> DiskState | None:
        """This host's; None where it keeps nothing on its machine."""
        return await self._disk.state()

    async def page(
        self, collection: str | None, top: int, continuation: str | None
    ) -> tuple[list[StorageUsage], str | None]:
        """Of one collection, or of all, one after another. Raises Invalid for one that there is
        not, or a continuation that was never given."""
        names = list(COLLECTIONS) if collection is None else [_known(collection)]
        at, _, within = (continuation or names[0]).partition("|")
        if at not in names:
            raise Invalid("This $skip was not given by a nextLink of this list.", target="$skip")
        found = await self._store.query(
            COLLECTIONS[at].kind, page_size=min(top, _AT_ONCE), continuation=within or None
        )
        usages = [await self._usage(at, document) for document in found.documents]
        following = names[names.index(at) + 1 :]
        if found.continuation is not None:
            return usages, f"{at}|{found.continuation}"
        return usages, following[0] if following else None

    async def _usage(self, name: str, document: Document) -> StorageUsage:
        collection = COLLECTIONS[name]
        used = collection.used(document)
        count = _Count()
        if used.seal is not None:
            count = _Count(used.seal.files, used.seal.bytes)
        for place in used.places:
            await self._count(place, count)
        disk = await self._on_disk(used)
        if collection.parts is not None:
            disk += await self._of_parts(COLLECTIONS[collection.parts], document.partition)
        return StorageUsage(name, used.names, count.blobs, count.size, disk, count.is_complete)

    async def _of_parts(self, parts: Collection, partition: str) -> int:
        found = all_documents(self._store, parts.kind, partition=partition)
        return sum([await self._on_disk(parts.used(each)) async for each in found])

    async def _on_disk(self, used: Used) -> int:
        size = 0
        if used.workload is not None:
            size += await self._disk.of_workload(used.workload)
        if used.environment is not None:
            size += await self._disk.of_environment(used.environment)
        return size

    async def _count(self, place: BlobFolder, count: _Count) -> None:
        """Of a folder, or else of one blob."""
        before = count.blobs
        async for blob in self._blobs.list(place.container, f"{place.path}/" if place.path else ""):
            if count.blobs >= self._most_blobs:
                count.is_complete = False
                return
            count.blobs, count.size = count.blobs + 1, count.size + blob.size
        if count.blobs == before and place.path:
            try:
                found = await self._blobs.properties(place.container, place.path)
            except BlobNotFound:
                return
            count.blobs, count.size = count.blobs + 1, count.size + found.size


def _known(collection: str) -> str:
    for name in COLLECTIONS:
        if name.casefold() == collection.casefold():
            return name
    raise Invalid(
        f"There is no type '{collection[:80]}' here; there are {', '.join(COLLECTIONS)}.",
        target="type",
    )
