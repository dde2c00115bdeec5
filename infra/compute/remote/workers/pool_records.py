"""The documents of pools, read and written."""

from collections.abc import Callable
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound, StaleETag, Unavailable
from domain.ports import Create, Delete, Replace, ResourceStore, Write, all_documents
from infra.compute.remote.keeping.keeper_index import KeeperIndex
from infra.compute.remote.workers.pool_record import KIND, PARTITION, PoolRecord

_TRIES: Final = 20

Change = Callable[[PoolRecord | None], PoolRecord | None]
"""What a record is to be; None: it is to stay as it is."""


class PoolRecords:
    """Whoever changes one says so in the index, which the keeper looks at."""

    def __init__(self, store: ResourceStore, index: KeeperIndex) -> None:
        self._store = store
        self._index = index

    async def get(self, name: str) -> tuple[PoolRecord | None, str]:
        """With its ETag."""
        try:
            document = await self._store.get(PARTITION, name)
        except DocumentNotFound:
            return None, ""
        return PoolRecord.from_body(document.body), document.etag

    async def all(self) -> list[PoolRecord]:
        found = all_documents(self._store, KIND)
        return [PoolRecord.from_body(each.body) async for each in found]

    async def change(self, name: str, change: Change) -> PoolRecord | None:
        """What it is then. Raises Unavailable when others change it without an end."""
        for _ in range(_TRIES):
            record, etag = await self.get(name)
            then = change(record)
            if then is None or then == record:
                return record
            write: Write = Create(name, then.to_body())
            if record is not None:
                write = Replace(name, then.to_body(), etag)
            try:
                await self._store.transact(PARTITION, [write])
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue
            await self._index.tell()
            return then
        raise Unavailable(f"The workers {name} are being changed by others; try again.")

    async def save(self, before: PoolRecord, after: PoolRecord | None) -> None:
        """By the keeper; None: it has nothing left, and goes. Raises StaleETag, DocumentNotFound
        and DocumentExists when another was quicker."""
        found, etag = await self.get(before.name)
        if found != before:
            raise StaleETag(f"The workers {before.name} have changed")
        write: Write = Delete(before.name, etag)
        if after is not None:
            write = Replace(before.name, after.to_body(), etag)
        await self._store.transact(PARTITION, [write])
