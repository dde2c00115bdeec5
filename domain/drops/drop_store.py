"""The document of an endpoint's drop, and the messages that have it looked at."""

from collections.abc import Sequence
from datetime import timedelta

from domain.drops import blob_drop
from domain.drops.blob_drop import BlobDrop
from domain.drops.drop_limits import DropLimits
from domain.errors import DocumentNotFound, Unavailable
from domain.ground.driving.driver import GRACE
from domain.ground.facts import Fact
from domain.ground.messages import BLOB_DROPS_QUEUE, CheckDrop
from domain.ground.outbox import Outbox
from domain.ports import Clock, Create, Document, Message, Replace, ResourceStore, WorkQueue, Write


class DropStore:
    """`limits` are the installation's; a drop's options go over them."""

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        clock: Clock,
        limits: DropLimits,
        outbox: Outbox,
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._queue = queue
        self._clock = clock
        self._limits = limits

    def now(self) -> float:
        return self._clock.now().timestamp()

    def limits(self, drop: BlobDrop) -> DropLimits:
        return drop.limits(self._limits)

    def pause(self, drop: BlobDrop) -> float:
        """Seconds until it is complete, if nothing else comes."""
        return max(0.0, drop.seal_at(self.limits(drop)) - self.now())

    def due_at(self, drop: BlobDrop) -> float:
        """When the sweep takes it over (Unix seconds), if nobody has looked at it."""
        return self.now() + self.pause(drop) + GRACE

    async def document(self, endpoint: str) -> Document | None:
        try:
            return await self._store.get(blob_drop.partition(endpoint), blob_drop.DOCUMENT_ID)
        except DocumentNotFound:
            return None

    async def save(
        self,
        document: Document | None,
        drop: BlobDrop,
        due_at: float | None,
        *beside: Write,
        told: Sequence[Fact] = (),
    ) -> None:
        """With what is written `beside` it, and the facts `told` by it. Raises StaleETag,
        DocumentExists or DocumentNotFound when somebody was faster."""
        write: Write = Create(blob_drop.DOCUMENT_ID, drop.to_body(), due_at=due_at)
        if document is not None:
            write = Replace(document.id, drop.to_body(), document.etag, due_at=due_at)
        where = blob_drop.partition(drop.endpoint)
        await self._outbox.transact(where, [write, *beside], told)

    async def send(self, drop: BlobDrop, pause: float) -> None:
        """Have it looked at after `pause` seconds."""
        message = Message(message_for(drop).to_document(), delay=timedelta(seconds=pause))
        await self._queue.send(BLOB_DROPS_QUEUE, message)


def message_for(drop: BlobDrop) -> CheckDrop:
    return CheckDrop(endpoint=drop.endpoint, chain=drop.chain, tick=drop.tick)


def no_turn(endpoint: str) -> Unavailable:
    return Unavailable(f"The drop of endpoint '{endpoint}' found no turn.")
