"""What changes with every wish: the keeper reads it twice a second, and the wishes where it did."""

import uuid
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound
from domain.ports import Create, Replace, ResourceStore
from infra.compute.remote.keeping.keeper_lease import PARTITION

_INDEX: Final = "index"


class KeeperIndex:
    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    async def tell(self) -> None:
        """A wish has changed."""
        body = {"kind": "remoteIndex", "version": uuid.uuid4().hex}
        try:
            await self._store.transact(PARTITION, [Replace(_INDEX, body, None)])
        except DocumentNotFound:
            try:
                await self._store.transact(PARTITION, [Create(_INDEX, body)])
            except DocumentExists:
                await self._store.transact(PARTITION, [Replace(_INDEX, body, None)])

    async def version(self) -> str:
        """Another one after each change."""
        try:
            return (await self._store.get(PARTITION, _INDEX)).etag
        except DocumentNotFound:
            return ""
