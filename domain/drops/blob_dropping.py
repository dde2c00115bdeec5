"""Gathering dropped blobs into one job.

Every arrival is a document of its own, so that many can come at once; the drop's document is
touched only now and then. A blob (name and ETag) is taken by one drop, and a drop starts one
job: the drop's id is the job's idempotency key. Nothing is lost when the endpoint cannot take
jobs yet: the files stay, and the drop waits.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta

from domain.assets.datastore import INBOX
from domain.drops import blob_drop, taken_drops
from domain.drops.blob_drop import Arrival, BlobDrop, DropState, arrival_of, drop_of
from domain.drops.drop_capture import DropCapture, manifests
from domain.errors import (
    BlobNotFound,
    DocumentExists,
    DocumentNotFound,
    DomainError,
    StaleETag,
    Throttled,
    Unavailable,
)
from domain.jobs.batch_invocation import BatchInvocation
from domain.jobs.job_inputs import drop_input
from domain.jobs.job_request import JobProperties
from domain.messages import BLOB_DROPS_QUEUE, CheckDrop
from domain.names import endpoint_name_fault
from domain.ports import (
    BlobFolder,
    BlobProperties,
    BlobStore,
    Clock,
    Create,
    Document,
    Message,
    Replace,
    ResourceStore,
    WorkQueue,
    Write,
)

_TRIES = 50
_GRACE = 15.0
_LONGEST_WAIT = 60.0
_log = logging.getLogger("ml_endpoints.drop")


@dataclass(frozen=True)
class DropSettings:
    """In seconds; `most_files` go into one drop, the others into the next."""

    quiet_period: float = 2.0
    max_wait: float = 3600.0
    most_files: int = 200_000


class BlobDropping:
    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        blobs: BlobStore,
        clock: Clock,
        *,
        invocation: BatchInvocation,
        settings: DropSettings | None = None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._blobs = blobs
        self._clock = clock
        self._invocation = invocation
        self._settings = settings or DropSettings()
        self._capture = DropCapture(store, blobs, self._settings.most_files)

    # -- arrivals -----------------------------------------------------------------------

    async def arrive(self, name: str) -> None:
        """A blob has landed in the inbox under `name`, `{endpoint}/…`. The same blob may
        be told of any number of times."""
        endpoint, slash, rest = name.partition("/")
        if not slash or endpoint_name_fault(endpoint):
            _log.warning(
                "'%s' was dropped outside any endpoint's folder; put it into %s/<endpoint>/",
                name[:200],
                INBOX,
                extra={"action": "drop_ignored"},
            )
            return
        is_marker = blob_drop.is_marker(rest)
        if not is_marker and not blob_drop.is_input(rest):
            return
        try:
            blob = await self._blobs.properties(INBOX, name)
        except BlobNotFound:
            return
        if is_marker:
            await self._claim_folder(endpoint, name.rpartition("/")[0])
        if await self._keep(endpoint, blob):
            await self._touch(endpoint, marker=name if is_marker else None)

    async def _claim_folder(self, endpoint: str, folder: str) -> None:
        """A marker says that its folder is complete: what lies there belongs to its drop,
        whether or not news of it has come yet."""
        async for blob in self._blobs.list(INBOX, f"{folder}/"):
            if blob_drop.is_input(blob.name.partition("/")[2]):
                await self._keep(endpoint, blob)

    async def _keep(self, endpoint: str, blob: BlobProperties) -> bool:
        """Whether the blob, as it is now, is yet to be taken by a drop."""
        where = blob_drop.partition(endpoint)
        arrival = Arrival(name=blob.name, etag=blob.etag, size=blob.size, at=self._now())
        try:
            await self._store.transact(where, [Create(arrival.id, arrival.to_body())])
        except DocumentExists:
            document = await self._store.get(where, arrival.id)
            return arrival_of(document).drop is None
        return True

    async def _touch(self, endpoint: str, marker: str | None) -> None:
        """Let the drop know that something came. It need not know each time."""
        for _ in range(_TRIES):
            document = await self._document(endpoint)
            drop = drop_of(document) if document else BlobDrop(endpoint=endpoint)
            now = self._now()
            if marker is None and self._knows(drop, now):
                return
            touched = drop.touched(now, marker)
            # A drop that is sealed has a chain at work, which goes on with the next one.
            hurries = marker is not None and drop.state is DropState.GATHERING
            starts = hurries or drop.state is DropState.IDLE
            if starts:
                touched = touched.but(chain=drop.chain + 1, tick=0)
            try:
                await self._save(document, touched, self._due_in(touched))
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue
            if starts:
                await self._send(touched, self._pause(touched))
            return
        raise Unavailable(f"The drop of endpoint '{endpoint}' found no turn.")

    def _knows(self, drop: BlobDrop, now: float) -> bool:
        if drop.state is DropState.SEALED:
            return drop.pending
        fresh = now - drop.last_at < self._settings.quiet_period / 4
        return drop.state is DropState.GATHERING and fresh

    # -- the drop -----------------------------------------------------------------------

    async def check(self, message: CheckDrop, *, redelivered: bool = False) -> None:
        """Seal the drop if it is complete and start its job; else look again later."""
        for _ in range(_TRIES):
            document = await self._document(message.endpoint)
            if document is None:
                return
            drop = drop_of(document)
            if message.chain != drop.chain:
                return
            if message.tick != drop.tick:
                if redelivered and message.tick < drop.tick and drop.state is not DropState.IDLE:
                    await self._send(drop, 0.0)
                return
            try:
                if await self._advance(drop, document):
                    return
            except (StaleETag, DocumentNotFound):
                continue
            message = message.but(tick=message.tick + 1)
        raise Unavailable(f"The drop of endpoint '{message.endpoint}' found no turn.")

    async def resume(self, document: Document) -> None:
        """Take over a drop of which nobody has given a sign of life. Raises StaleETag."""
        drop = drop_of(document)
        taken = drop.but(chain=drop.chain + 1, tick=0)
        await self._save(document, taken, None if drop.state is DropState.IDLE else _GRACE)
        if drop.state is not DropState.IDLE:
            await self._send(taken, 0.0)

    async def _advance(self, drop: BlobDrop, document: Document) -> bool:
        """Take a step; True when this message's work is done."""
        match drop.state:
            case DropState.IDLE:
                return True
            case DropState.GATHERING:
                pause = self._pause(drop)
                if pause > 0:
                    await self._look_again(drop, document, pause)
                    return True
                return await self._seal(drop, document)
            case DropState.SEALED:
                return await self._start(drop, document)

    async def _seal(self, drop: BlobDrop, document: Document) -> bool:
        try:
            # Sealing waits for an endpoint that can take the job, and gathers meanwhile.
            await self._invocation.deployment(drop.endpoint, None)
        except (Unavailable, Throttled):
            raise
        except DomainError as error:
            await self._wait(drop, document, error)
            return True
        captured = await self._capture.capture(drop)
        sealed = drop.sealed(captured.manifest, captured.files).but(tick=drop.tick + 1)
        sealed = sealed.but(folder=captured.folder, waits=0, waiting_for=None)
        await self._save(document, sealed, _GRACE)
        return False

    async def _start(self, drop: BlobDrop, document: Document) -> bool:
        """The job, and then the arrivals; either may have been done before."""
        if drop.manifest is None:
            raise AssertionError("a sealed drop has a manifest")
        if drop.captured:
            try:
                await self._invoke(drop, drop.manifest)
            except (Unavailable, Throttled):
                raise
            except DomainError as error:
                await self._wait(drop, document, error)
                return True
        else:
            _log.info(
                "The drop for endpoint '%s' was complete and had no file to score: no job",
                drop.endpoint,
                extra={"action": "drop_empty", "endpoint": drop.endpoint},
            )
        await self._capture.mark(drop, drop.manifest)
        more = await self._capture.is_left(drop.endpoint)
        closed = drop.closed(self._now(), more=more).but(tick=drop.tick + 1)
        due_in = None if closed.state is DropState.IDLE else self._due_in(closed)
        taken = taken_drops.begun(drop, manifests(drop.manifest), self._now())
        await self._save(document, closed, due_in, taken)
        if closed.state is DropState.GATHERING:
            await self._send(closed, self._pause(closed))
        return True

    async def _invoke(self, drop: BlobDrop, manifest: str) -> None:
        folder = BlobFolder(INBOX, drop.folder)
        uri = self._blobs.url(INBOX, drop.folder)
        invoked = await self._invocation.invoke(
            drop.endpoint,
            JobProperties(properties={"ml_endpoints.drop": drop.id}),
            caller="blob-drop",
            key=f"drop/{drop.id}",
            drop=drop_input(drop.endpoint, folder, manifest, uri),
        )
        _log.info(
            "%d dropped files for endpoint '%s' go into job %s",
            drop.captured,
            drop.endpoint,
            invoked.job.name,
            extra={"action": "drop_started", "endpoint": drop.endpoint, "job": invoked.job.name},
        )

    async def _wait(self, drop: BlobDrop, document: Document, error: DomainError) -> None:
        """The endpoint cannot take a job now. The files stay where they are."""
        pause = min(_LONGEST_WAIT, 2.0 ** min(drop.waits, 10))
        _log.log(
            logging.WARNING if error.message != drop.waiting_for else logging.DEBUG,
            "Files dropped for endpoint '%s' wait: %s",
            drop.endpoint,
            error.message,
            extra={"action": "drop_waits", "endpoint": drop.endpoint},
        )
        waiting = drop.but(waits=drop.waits + 1, waiting_for=error.message)
        await self._look_again(waiting, document, pause)

    async def _look_again(self, drop: BlobDrop, document: Document, pause: float) -> None:
        after = drop.but(tick=drop.tick + 1)
        await self._save(document, after, pause + _GRACE)
        await self._send(after, pause)

    def _pause(self, drop: BlobDrop) -> float:
        at = drop.seal_at(self._settings.quiet_period, self._settings.max_wait)
        return max(0.0, at - self._now())

    def _due_in(self, drop: BlobDrop) -> float:
        return self._pause(drop) + _GRACE

    async def _send(self, drop: BlobDrop, pause: float) -> None:
        message = CheckDrop(endpoint=drop.endpoint, chain=drop.chain, tick=drop.tick)
        delay = timedelta(seconds=pause)
        await self._queue.send(BLOB_DROPS_QUEUE, Message(message.to_document(), delay=delay))

    async def _save(
        self, document: Document | None, drop: BlobDrop, due_in: float | None, *beside: Write
    ) -> None:
        due_at = None if due_in is None else self._now() + due_in
        write: Write = Create(blob_drop.DOCUMENT_ID, drop.to_body(), due_at=due_at)
        if document is not None:
            write = Replace(document.id, drop.to_body(), document.etag, due_at=due_at)
        await self._store.transact(blob_drop.partition(drop.endpoint), [write, *beside])

    async def _document(self, endpoint: str) -> Document | None:
        try:
            return await self._store.get(blob_drop.partition(endpoint), blob_drop.DOCUMENT_ID)
        except DocumentNotFound:
            return None

    def _now(self) -> float:
        return self._clock.now().timestamp()
