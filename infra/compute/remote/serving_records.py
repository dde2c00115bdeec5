"""The documents of what is wanted, read and written."""

from collections.abc import Callable, Sequence
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound, StaleETag, Unavailable
from domain.ports import Create, Delete, Document, Replace, ResourceStore, Write, all_documents
from infra.compute.remote import ready_nodes
from infra.compute.remote.keeping.keeper_index import KeeperIndex
from infra.compute.remote.ready_nodes import ReadyNodes
from infra.compute.remote.serving_record import KIND, ServingRecord, document_id_of, partition_of

_TRIES: Final = 20

Change = Callable[[ServingRecord | None], ServingRecord | None]
"""What a record is to be; None: it is to stay as it is."""


class ServingRecords:
    """Whoever changes one says so in the index, which the keeper looks at."""

    def __init__(self, store: ResourceStore, index: KeeperIndex) -> None:
        self._store = store
        self._index = index

    async def get(self, key: str) -> tuple[ServingRecord | None, str]:
        """With its ETag."""
        try:
            document = await self._store.get(partition_of(key), document_id_of(key))
        except DocumentNotFound:
            return None, ""
        return ServingRecord.from_body(document.body), document.etag

    async def all(self) -> list[ServingRecord]:
        found = all_documents(self._store, KIND)
        return [ServingRecord.from_body(each.body) async for each in found]

    async def change(self, key: str, change: Change) -> ServingRecord | None:
        """What it is then. Raises Unavailable when others change it without an end."""
        for _ in range(_TRIES):
            record, etag = await self.get(key)
            then = change(record)
            if then is None or then == record:
                return record
            id, body = document_id_of(key), then.to_body()
            write: Write = Replace(id, body, etag) if record else Create(id, body)
            try:
                await self._store.transact(partition_of(key), [write])
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue
            await self._index.tell()
            return then
        raise Unavailable(f"{key} is being changed by others; try again.")

    async def save(
        self, record: ServingRecord, etag: str, ready: ReadyNodes | None
    ) -> Sequence[Document]:
        """By the keeper, with who is ready of it; a record that has nothing left goes. Gives the
        document of who is ready, if it has changed. Raises StaleETag, DocumentNotFound and
        DocumentExists when another was quicker."""
        id = document_id_of(record.key)
        writes: list[Write] = []
        if record.groups:
            writes.append(Replace(id, record.to_body(), etag))
        else:
            writes.append(Delete(id, etag))
        told = await self._ready_write(record.key, ready)
        if told is not None:
            writes.append(told)
        written = await self._store.transact(partition_of(record.key), writes)
        return [each for each in written if each.id == ready_nodes.DOCUMENT_ID]

    async def save_ready(self, key: str, ready: ReadyNodes | None) -> Sequence[Document]:
        """Who is ready of a key alone."""
        told = await self._ready_write(key, ready)
        return await self._store.transact(partition_of(key), [told]) if told else ()

    async def ready(self, key: str) -> tuple[dict[str, ReadyNodes], str | None]:
        """Of all deployments of the same endpoint, and the ETag."""
        try:
            document = await self._store.get(partition_of(key), ready_nodes.DOCUMENT_ID)
        except DocumentNotFound:
            return {}, None
        return ready_nodes.read_body(document.body), document.etag

    async def _ready_write(self, key: str, ready: ReadyNodes | None) -> Write | None:
        there, etag = await self.ready(key)
        then = {**there}
        then.pop(key, None)
        if ready is not None and ready.nodes:
            then[key] = ready
        if then == there:
            return None
        body, id = ready_nodes.body_of(then), ready_nodes.DOCUMENT_ID
        if etag is None:
            return Create(id, body)
        return Replace(id, body, etag) if then else Delete(id, etag)
