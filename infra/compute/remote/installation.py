"""Which installation this is, where several share a platform."""

import secrets
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound
from domain.ports import Create, ResourceStore
from infra.compute.remote.keeping.keeper_lease import PARTITION

_ID: Final = "installation"


class Installation:
    """All hosts that share `store` are one."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self._known = ""

    async def id(self) -> str:
        """Ten letters and digits that no other has; made by whoever asks first."""
        while not self._known:
            try:
                document = await self._store.get(PARTITION, _ID)
                self._known = str(document.body["name"])
            except DocumentNotFound:
                body = {"kind": "remoteInstallation", "name": secrets.token_hex(5)}
                try:
                    await self._store.transact(PARTITION, [Create(_ID, body)])
                except DocumentExists:
                    continue
        return self._known
