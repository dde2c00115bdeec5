"""What is done every so often by one host of all, however short each of them lives."""

from collections.abc import Callable
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound, StaleETag
from domain.ports import Create, Replace, ResourceStore, Write

PARTITION: Final = "imageUpkeep"
_KIND: Final = "imageUpkeep"


class DueLooks:
    """`now` is in seconds, and about the same on all hosts."""

    def __init__(self, store: ResourceStore, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now

    async def claim(self, name: str, every: float) -> bool:
        """Whether it is due, and this host is the one to do it. The first time it is due is `every`
        seconds after it was first asked for."""
        now = self._now()
        body = {"kind": _KIND, "lookedAt": now}
        try:
            found = await self._store.get(PARTITION, name)
        except DocumentNotFound:
            await self._has_written(Create(name, body))
            return False
        looked = float(found.body.get("lookedAt") or 0.0)
        if looked <= now < looked + every:
            return False
        return await self._has_written(Replace(name, body, found.etag))

    async def _has_written(self, write: Write) -> bool:
        try:
            await self._store.transact(PARTITION, [write])
        except (StaleETag, DocumentExists, DocumentNotFound):
            return False
        return True
