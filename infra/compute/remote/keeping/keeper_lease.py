"""Which host decides: the one that holds the lease, of all that share a store."""

import time
import uuid
from collections.abc import Callable
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound, StaleETag
from domain.ports import Create, Document, Replace, ResourceStore

PARTITION: Final = "remoteCompute"
_ID: Final = "keeper"
_KIND: Final = "remoteKeeper"
RENEWED: Final = 1.0
"""Seconds between two renewals."""
OUTLIVED: Final = 3.0
"""Seconds without one, after which another host takes over."""


class KeeperLease:
    """No clock is compared with another's: who waits sees that the document has not changed for
    `OUTLIVED` seconds of its own `now`, and who holds it stops in time when it cannot renew. Two
    that think they hold it for a moment write by ETag, and do to a platform only what may be
    done twice."""

    def __init__(self, store: ResourceStore, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._now = now
        self._me = uuid.uuid4().hex
        self._seen: Document | None = None
        self._seen_at = 0.0
        self._held_until = 0.0

    async def is_held(self) -> bool:
        """Whether this host decides now, renewing or taking the lease if it is time. Raises what
        the store does."""
        now = self._now()
        if self._seen is not None and now < self._held_until:
            if now - self._seen_at >= RENEWED:
                await self._take(self._seen, now)
            return now < self._held_until
        try:
            found = await self._store.get(PARTITION, _ID)
        except DocumentNotFound:
            found = None
        if found is None:
            await self._make(now)
        elif found.body["holder"] == "" or found.body["holder"] == self._me:
            await self._take(found, now)
        elif self._seen is None or self._seen.etag != found.etag:
            self._seen, self._seen_at = found, now
        elif now - self._seen_at >= OUTLIVED:
            await self._take(found, now)
        return now < self._held_until

    async def release(self) -> None:
        """Another host may take it at once."""
        if self._seen is not None and self._now() < self._held_until:
            self._held_until = 0.0
            body = {"kind": _KIND, "holder": ""}
            try:
                await self._store.transact(PARTITION, [Replace(_ID, body, self._seen.etag)])
            except (StaleETag, DocumentNotFound):
                return

    async def _make(self, now: float) -> None:
        try:
            [made] = await self._store.transact(PARTITION, [Create(_ID, self._body)])
        except DocumentExists:
            return
        self._hold(made, now)

    async def _take(self, found: Document, now: float) -> None:
        try:
            [taken] = await self._store.transact(PARTITION, [Replace(_ID, self._body, found.etag)])
        except (StaleETag, DocumentNotFound):
            self._held_until, self._seen = 0.0, None
            return
        self._hold(taken, now)

    def _hold(self, document: Document, now: float) -> None:
        """For less long than others wait, counted from before it was asked for."""
        self._seen, self._seen_at = document, now
        self._held_until = now + OUTLIVED - RENEWED

    @property
    def _body(self) -> dict[str, str]:
        return {"kind": _KIND, "holder": self._me}
