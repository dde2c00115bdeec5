"""Containers of assets: what is said of all versions of a name."""

from domain.assets.asset import CONTAINER_ID, AnyContainer, AssetKind, AssetProperties, Saved
from domain.assets.asset_documents import (
    TRIES,
    AssetDocuments,
    check_names,
    container_write,
    entity,
    left_by,
    noun,
    raced,
    saved,
)
from domain.assets.asset_listing import ListView
from domain.assets.using.asset_use import InUse, check_unused
from domain.errors import Conflict, DocumentExists, DocumentNotFound, NotFound, StaleETag
from domain.ground.resource import Conditions
from domain.ports import Clock, Delete, Document, ResourceStore, Write


class AssetContainers:
    """`in_use` names whom a deletion would break."""

    def __init__(
        self, store: ResourceStore, documents: AssetDocuments, clock: Clock, in_use: InUse
    ) -> None:
        self._store = store
        self._documents = documents
        self._clock = clock
        self._in_use = in_use

    async def get(self, kind: AssetKind, name: str) -> Saved[AnyContainer]:
        """Raises NotFound."""
        document = await self._documents.container(kind, name)
        if document is None:
            raise NotFound(f"{noun(kind, name)} was not found.")
        return saved(kind.container, document)

    async def list(
        self, kind: AssetKind, view: ListView, top: int, continuation: str | None
    ) -> tuple[list[Saved[AnyContainer]], str | None]:
        """By name."""
        page = await self._store.query(
            kind.container_kind,
            where={} if view.archived is None else {"archived": view.archived},
            page_size=top,
            continuation=continuation,
        )
        return [saved(kind.container, d) for d in page.documents], page.continuation

    async def put(
        self,
        kind: AssetKind,
        name: str,
        wanted: AssetProperties,
        caller: str,
        conditions: Conditions,
    ) -> Saved[AnyContainer]:
        """Create or replace what is said of a container; its versions stay."""
        check_names(name)
        for _ in range(TRIES):
            document = await self._documents.container(kind, name)
            conditions.check(document, noun(kind, name))
            if document is None:
                new = self.new(kind, name, wanted, caller)
            else:
                old = entity(kind.container, document)
                _check_data_type(old, wanted)
                new = old.but(properties=wanted, modified_at=self._clock.now(), modified_by=caller)
            try:
                write = container_write(kind, new, document)
                (written,) = await self._documents.write(kind, name, write)
            except (StaleETag, DocumentExists):
                continue
            return saved(kind.container, written, new=document is None)
        raise raced(noun(kind, name))

    async def delete(self, kind: AssetKind, name: str, conditions: Conditions) -> bool:
        """Delete a container and every version; False if it is not there. Raises Conflict
        while somebody uses one of them. Broken off, it can be repeated."""
        for _ in range(TRIES):
            document = await self._documents.container(kind, name)
            if document is None:
                return False
            conditions.check(document, noun(kind, name))
            await check_unused(self._in_use, kind.plural, name, None)
            if await self._delete_all(kind, name, document):
                return True
            # What was deleted so far has given the container a new ETag.
            conditions = Conditions()
        raise raced(noun(kind, name))

    async def _delete_all(self, kind: AssetKind, name: str, container: Document) -> bool:
        """False: somebody wrote in between."""
        partition = kind.partition(name)
        while True:
            page = await self._store.query(kind.version_kind, partition=partition, page_size=45)
            writes: list[Write] = [Delete(d.id, d.etag) for d in page.documents]
            for document in page.documents:
                writes += left_by(kind, entity(kind.version, document), self._clock.now())
            if page.continuation is None:
                writes.append(Delete(CONTAINER_ID, container.etag))
            else:
                emptied = entity(kind.container, container).but(latest=None, labels={})
                writes.append(container_write(kind, emptied, container))
            try:
                written = await self._store.transact(partition, writes)
            except (StaleETag, DocumentNotFound):
                return False
            if page.continuation is None:
                return True
            container = written[-1]

    def new(
        self, kind: AssetKind, name: str, properties: AssetProperties, caller: str
    ) -> AnyContainer:
        """A container that is yet to be stored."""
        now = self._clock.now()
        return kind.container(
            name=name,
            properties=properties,
            created_at=now,
            created_by=caller,
            modified_at=now,
            modified_by=caller,
        )


def _check_data_type(old: AnyContainer, wanted: AssetProperties) -> None:
    before = getattr(old.properties, "data_type", None)
    if before != getattr(wanted, "data_type", None) and old.next_ordinal > 1:
        raise Conflict(
            f"'{old.name}' has had versions that are {before}, and keeps to it.",
            code="Immutable",
            target="properties.dataType",
        )
