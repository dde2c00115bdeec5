"""What is left of a drop once its job is under way: for as long as its blobs lie in the inbox,
their arrivals say that they are taken.

A blob (name and ETag) must not be scored again, however late, and by whichever host, news of
it comes. No news of a blob can come once it is gone or has another ETag: then its arrival goes.
The blobs of a drop are looked for a week after they were taken, and weekly while one remains;
with the last arrival go the drop's manifests.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence

from domain.assets.datastore import INBOX, SYSTEM_CONTAINER
from domain.drops.blob_drop import BlobDrop, arrival_id
from domain.errors import BlobNotFound, DocumentNotFound
from domain.ports import BlobStore, Clock, Create, Delete, Document, Replace, ResourceStore, Write
from domain.values import Value

KIND = "takenDrop"
LOOK_EVERY = 7 * 86400.0

PIECE = 256 * 1024
"""Bytes of a manifest that are gone through together, about."""
"""Bytes of a manifest, some 2,000 blobs, that are gone through at a time."""
_LOOKS = 16
_TRANSACTION = 100

_Blob = tuple[str, str]
"""Name and ETag."""


class TakenDrop(Value):
    """`manifests` are blobs of the system container. A look that is under way has come to
    byte `offset` of the one numbered `part`, and has found `left` blobs that are there."""

    id: str
    manifests: tuple[str, ...]
    part: int = 0
    offset: int = 0
    left: int = 0

    def to_body(self) -> dict[str, object]:
        return {"kind": KIND, "taken": self.to_document()}


def begun(drop: BlobDrop, manifests: Sequence[str], now: float) -> Write:
    """What is written as the drop's job is under way."""
    taken = TakenDrop(id=drop.id, manifests=tuple(manifests))
    return Create(f"taken:{drop.id}", taken.to_body(), due_at=now + LOOK_EVERY)


class TakenDrops:
    def __init__(self, store: ResourceStore, blobs: BlobStore, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    async def resume(self, document: Document) -> None:
        """Go through one more piece of the drop's manifests. Raises StaleETag."""
        taken = TakenDrop.from_document(document.body["taken"])
        now = self._clock.now().timestamp()
        if taken.part < len(taken.manifests):
            after, due_at = await self._look(document.partition, taken), now
        elif taken.left:
            after, due_at = taken.but(part=0, offset=0, left=0), now + LOOK_EVERY
        else:
            for manifest in taken.manifests:
                await self._blobs.delete(SYSTEM_CONTAINER, manifest)
            await self._store.transact(document.partition, [Delete(document.id, document.etag)])
            return
        write = Replace(document.id, after.to_body(), document.etag, due_at=due_at)
        await self._store.transact(document.partition, [write])

    async def _look(self, partition: str, taken: TakenDrop) -> TakenDrop:
        piece = await self._piece(taken.manifests[taken.part], taken.offset)
        if not piece:
            return taken.but(part=taken.part + 1, offset=0)
        blobs: list[_Blob] = []
        for line in piece.splitlines():
            name, etag, *_ = json.loads(line)
            blobs.append((name, etag))
        gone: list[_Blob] = []
        for start in range(0, len(blobs), _LOOKS):
            some = blobs[start : start + _LOOKS]
            there = await asyncio.gather(*(self._is_there(*blob) for blob in some))
            gone += [blob for blob, is_there in zip(some, there, strict=True) if not is_there]
        for start in range(0, len(gone), _TRANSACTION):
            await self._forget(partition, gone[start : start + _TRANSACTION])
        return taken.but(offset=taken.offset + len(piece), left=taken.left + len(blobs) - len(gone))

    async def _piece(self, manifest: str, offset: int) -> bytes:
        """Whole lines; none at its end, or when it is gone (by the look before this)."""
        read = self._blobs.read(SYSTEM_CONTAINER, manifest, offset=offset, length=PIECE)
        try:
            content = b"".join([piece async for piece in read])
        except BlobNotFound:
            return b""
        return content[: content.rfind(b"\n") + 1]

    async def _is_there(self, name: str, etag: str) -> bool:
        try:
            return (await self._blobs.properties(INBOX, name)).etag == etag
        except BlobNotFound:
            return False

    async def _forget(self, partition: str, blobs: Sequence[_Blob]) -> None:
        deletes = [Delete(arrival_id(*blob)) for blob in blobs]
        try:
            await self._store.transact(partition, deletes)
        except DocumentNotFound:
            # A look that broke off here has been before.
            for delete in deletes:
                with contextlib.suppress(DocumentNotFound):
                    await self._store.transact(partition, [delete])
