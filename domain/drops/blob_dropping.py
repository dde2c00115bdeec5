"""Gathering dropped blobs into one job.

Every arrival is a document of its own, so that many can come at once; the drop's document is
touched only now and then. A blob (name and ETag) is taken by one drop, and a drop starts one
job: the drop's id is the job's name. Nothing is lost when the endpoint cannot take jobs yet, or
a file in its folder says what cannot be done: the files stay, and the drop waits.
"""

import contextlib
import hashlib
import json
import logging
from datetime import datetime

from domain.assets.datastore import INBOX, INBOX_DATASTORE, uri_of
from domain.drops import taken_drops
from domain.drops.blob_drop import BlobDrop, Captured, DropState, drop_of
from domain.drops.drop_arrivals import DropArrivals
from domain.drops.drop_capture import DropCapture, manifests
from domain.drops.drop_facts import drop_sealed
from domain.drops.drop_options import DropOptions
from domain.drops.drop_store import DropStore, message_for
from domain.drops.option_checking import job_of
from domain.drops.option_files import OptionFiles
from domain.errors import (
    DocumentNotFound,
    DomainError,
    StaleETag,
    StorageFull,
    Throttled,
    Unavailable,
)
from domain.ground.access import trusted
from domain.ground.driving.driver import GRACE, Driving, Step
from domain.ground.messages import BLOB_DROPS_QUEUE, CheckDrop
from domain.jobs.invoking.job_inputs import drop_input
from domain.jobs.invoking.job_invocation import JobExists, JobInvocation
from domain.ports import BlobFolder, Clock, Document, WorkQueue

_LONGEST_WAIT = 60.0
_log = logging.getLogger("ml_endpoints.drop")


class BlobDropping:
    queue = BLOB_DROPS_QUEUE
    grace = GRACE

    def __init__(
        self,
        queue: WorkQueue,
        clock: Clock,
        *,
        drops: DropStore,
        arrivals: DropArrivals,
        options: OptionFiles,
        capture: DropCapture,
        invocation: JobInvocation,
    ) -> None:
        self._drops = drops
        self._arrivals = arrivals
        self._options = options
        self._capture = capture
        self._invocation = invocation
        self._driving = Driving(self, queue, clock)

    async def arrive(self, name: str, landed_at: datetime | None = None) -> None:
        """A blob has landed in the inbox under `name`, `{endpoint}/…`, at `landed_at` or just
        now. The same blob may be told of any number of times."""
        await self._arrivals.arrive(name, landed_at)

    async def check(self, message: CheckDrop, *, redelivered: bool = False) -> None:
        """Seal the drop if it is complete and start its job; else look again later."""
        await self._driving.go_on(message, redelivered=redelivered)

    async def resume(self, document: Document) -> None:
        """Take over a drop of which nobody has given a sign of life. Raises StaleETag."""
        await self._driving.resume(document)

    # -- what is driven -----------------------------------------------------------------

    async def find(self, message: CheckDrop) -> Document | None:
        return await self._drops.document(message.endpoint)

    def read(self, document: Document) -> BlobDrop:
        return drop_of(document)

    async def step(
        self, state: BlobDrop, document: Document, message: CheckDrop
    ) -> Step[BlobDrop] | None:
        if (captured := state.seal) is not None:
            return await self._start(state, captured)
        if state.state is DropState.IDLE:
            return Step(state, None)
        pause = self._drops.pause(state)
        return Step(state, pause) if pause > 0 else await self._seal(state)

    async def save(self, document: Document, step: Step[BlobDrop], due_at: float | None) -> None:
        await self._drops.save(document, step.state, due_at, *step.beside, told=step.told)

    def message(self, state: BlobDrop, before: CheckDrop | None) -> CheckDrop:
        return message_for(state)

    def pause(self, state: BlobDrop) -> float:
        return 0.0

    # -- steps --------------------------------------------------------------------------

    async def _seal(self, drop: BlobDrop) -> Step[BlobDrop]:
        try:
            drop = await self._with_options(drop)
            if (pause := self._drops.pause(drop)) > 0:
                # Options that have come with the files ask for more patience.
                return Step(drop, pause)
            # Sealing waits for an endpoint that can take the job, and gathers meanwhile.
            named = drop.options.deployment if drop.options else None
            await self._invocation.deployment(drop.endpoint, named)
        except (Unavailable, Throttled):
            raise
        except DomainError as error:
            return await self._waiting(drop, error)
        captured = await self._capture.capture(drop, self._drops.limits(drop))
        told = drop_sealed(drop.endpoint, drop.id, captured.files)
        return Step(drop.sealed(captured), 0.0, told=told)

    async def _with_options(self, drop: BlobDrop) -> BlobDrop:
        """A drop keeps the options that it began with, or the first that came after; one that
        waits goes by what has been mended. Raises Invalid for what cannot be read."""
        if drop.options is not None and drop.waiting_for is None:
            return drop
        return drop.but(options=(await self._options.read(drop.endpoint)).options)

    async def _start(self, drop: BlobDrop, captured: Captured) -> Step[BlobDrop]:
        """The job, and then the arrivals; either may have been done before."""
        if captured.files:
            try:
                if drop.waiting_for is not None:
                    found = await self._with_options(drop)
                    if found.options != drop.options:
                        # Saved first: a job is only ever asked for as the document has it.
                        return Step(found, 0.0)
                await self._invoke(drop, captured)
            except StorageFull as error:
                return await self._waiting(drop, error)
            except (Unavailable, Throttled, StaleETag, DocumentNotFound):
                raise
            except DomainError as error:
                return await self._waiting(drop, error)
        else:
            _log.info(
                "The drop for endpoint '%s' was complete and had no file to score: no job",
                drop.endpoint,
                extra={"action": "drop_empty", "endpoint": drop.endpoint},
            )
        if drop.waiting_for is not None:
            await self._options.clear(drop.endpoint)
        await self._capture.mark(drop, captured.manifest)
        return await self._closed(drop, captured.manifest)

    async def _closed(self, drop: BlobDrop, manifest: str) -> Step[BlobDrop]:
        files, size = await self._capture.left(drop.endpoint, self._drops.limits(drop))
        closed = drop.closed(self._drops.now(), files=files, bytes=size)
        taken = taken_drops.begun(drop, manifests(manifest), self._drops.now())
        if closed.state is DropState.GATHERING:
            closed = await self._options.given(closed)
            return Step(closed, self._drops.pause(closed), beside=(taken,))
        await self._options.review(drop.endpoint)
        return Step(closed, None, beside=(taken,))

    async def _invoke(self, drop: BlobDrop, captured: Captured) -> None:
        folder = BlobFolder(INBOX, captured.folder)
        # The same from every host, wherever it is reached: it is part of what the key is for.
        uri = uri_of(INBOX_DATASTORE, captured.folder)
        options = drop.options or DropOptions()
        # A job of this name is the drop's, made by options that were mended since.
        with contextlib.suppress(JobExists):
            await self._invocation.invoke(
                drop.endpoint,
                job_of(drop.id, options.job),
                caller=trusted("blob-drop"),
                deployment=options.deployment,
                key=f"drop/{drop.id}/{_digest(options)}",
                drop=drop_input(drop.endpoint, folder, captured.manifest, uri),
            )
        _log.info(
            "%d dropped files for endpoint '%s' go into job %s",
            captured.files,
            drop.endpoint,
            drop.id,
            extra={"action": "drop_started", "endpoint": drop.endpoint, "job": drop.id},
        )

    async def _waiting(self, drop: BlobDrop, error: DomainError) -> Step[BlobDrop]:
        """The endpoint cannot take a job now. The files stay where they are."""
        pause = min(_LONGEST_WAIT, 2.0 ** min(drop.waits, 10))
        _log.log(
            logging.WARNING if error.message != drop.waiting_for else logging.DEBUG,
            "Files dropped for endpoint '%s' wait: %s",
            drop.endpoint,
            error.message,
            extra={"action": "drop_waits", "endpoint": drop.endpoint},
        )
        if error.message != drop.waiting_for:
            await self._options.tell(drop.endpoint, error.message)
        return Step(drop.but(waits=drop.waits + 1, waiting_for=error.message), pause)


def _digest(options: DropOptions) -> str:
    text = json.dumps(options.to_document(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
