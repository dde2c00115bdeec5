"""What becomes of news that a blob has landed in the inbox."""

import logging
from datetime import datetime

from domain.assets.datastore import INBOX
from domain.drops import blob_drop
from domain.drops.arrival_capture import ArrivalCapture
from domain.drops.blob_drop import Arrival, BlobDrop, DropState, drop_of
from domain.drops.drop_store import DropStore, no_turn
from domain.drops.option_files import FoundOptions, OptionFiles
from domain.errors import BlobNotFound, DocumentExists, DocumentNotFound, Invalid, StaleETag
from domain.ground.driving.driver import RACES
from domain.ground.driving.fence import taken_over
from domain.names import endpoint_name_fault
from domain.ports import BlobProperties, BlobStore, ResourceStore

_log = logging.getLogger("ml_endpoints.drop")


class DropArrivals:
    def __init__(
        self, store: ResourceStore, blobs: BlobStore, drops: DropStore, options: OptionFiles
    ) -> None:
        self._blobs = blobs
        self._drops = drops
        self._options = options
        self._arrivals = ArrivalCapture(store, self._came)
        self._uncounted: dict[str, tuple[int, int]] = {}

    async def arrive(self, name: str, landed_at: datetime | None = None) -> None:
        """A blob has landed in the inbox under `name`, `{endpoint}/…`, at `landed_at` or just
        now. The same blob may be told of any number of times."""
        endpoint, slash, rest = name.partition("/")
        if not slash or endpoint_name_fault(endpoint):
            _log.warning(
                "'%s' was dropped outside any endpoint's folder; put it into %s/<endpoint>/",
                name[:200],
                INBOX,
                extra={"action": "drop_ignored"},
            )
            return
        if rest in blob_drop.OPTION_FILES:
            await self._options_came(endpoint)
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
            if await self._arrivals.keep(endpoint, self._arrival(blob), quietly=True):
                await self._touch(endpoint, name)
        else:
            await self._arrivals.keep(endpoint, self._arrival(blob, landed_at))

    async def _claim_folder(self, endpoint: str, folder: str) -> None:
        """A marker says that its folder is complete: what lies there belongs to its drop,
        whether or not news of it has come yet."""
        async for blob in self._blobs.list(INBOX, f"{folder}/"):
            if blob_drop.is_input(blob.name.partition("/")[2]):
                await self._arrivals.keep(endpoint, self._arrival(blob), quietly=True)

    def _arrival(self, blob: BlobProperties, landed_at: datetime | None = None) -> Arrival:
        now = self._drops.now()
        # Whoever stamped it may have another clock.
        at = min(now, landed_at.timestamp()) if landed_at else now
        return Arrival(name=blob.name, etag=blob.etag, size=blob.size, at=at)

    async def _came(self, endpoint: str, files: int, bytes: int, landed: float) -> None:
        """So much is new, the last of it landed then. The drop need not know each time: what it
        is not told yet is told with the next, and is lost with this process, for sealing
        counts anew."""
        where = blob_drop.partition(endpoint)
        before = self._uncounted.get(where, (0, 0))
        self._uncounted[where] = (before[0] + files, before[1] + bytes)
        await self._touch(endpoint, landed=landed)

    async def _touch(
        self, endpoint: str, marker: str | None = None, landed: float | None = None
    ) -> None:
        where = blob_drop.partition(endpoint)
        for _ in range(RACES):
            document = await self._drops.document(endpoint)
            drop = drop_of(document) if document else BlobDrop(endpoint=endpoint)
            now = self._drops.now()
            if drop.state is DropState.SEALED:
                self._uncounted.pop(where, None)  # What it leaves is counted when it closes.
            files, size = self._uncounted.get(where, (0, 0))
            fills = self._fills(drop, files, size)
            if marker is None and not fills and self._knows(drop, now):
                return
            touched = drop.touched(now, marker, files, size, landed)
            if drop.state is DropState.IDLE:
                touched = await self._options.given(touched.but(endpoint=endpoint))
            # A drop that is sealed has a chain at work, which goes on with the next one.
            hurries = (marker is not None or fills) and drop.state is DropState.GATHERING
            starts = hurries or drop.state is DropState.IDLE
            if starts:
                touched = taken_over(touched)
            try:
                await self._drops.save(document, touched, self._drops.due_at(touched))
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue
            self._counted(where, files, size)
            if starts:
                await self._drops.send(touched, self._drops.pause(touched))
            return
        raise no_turn(endpoint)

    def _fills(self, drop: BlobDrop, files: int, size: int) -> bool:
        """Whether the drop becomes full by what it is not told yet."""
        limits = self._drops.limits(drop)
        return (
            drop.state is DropState.GATHERING
            and not limits.are_reached(drop.files, drop.bytes)
            and limits.are_reached(drop.files + files, drop.bytes + size)
        )

    def _counted(self, where: str, files: int, size: int) -> None:
        now = self._uncounted.get(where, (0, 0))
        left = (now[0] - files, now[1] - size)
        if left[0] > 0:
            self._uncounted[where] = left
        else:
            self._uncounted.pop(where, None)

    def _knows(self, drop: BlobDrop, now: float) -> bool:
        if drop.state is DropState.SEALED:
            return drop.pending
        fresh = now - drop.told_at < self._drops.limits(drop).quiet_period / 4
        return drop.state is DropState.GATHERING and fresh

    # -- options ------------------------------------------------------------------------

    async def _options_came(self, endpoint: str) -> None:
        """Say at once whether they can be taken; a drop that waits looks at them anew."""
        try:
            found = await self._options.read(endpoint)
        except Invalid as error:
            await self._refused(endpoint, error.message)
            return
        if found.options is not None and (
            why := await self._options.why_not(endpoint, found.options)
        ):
            await self._refused(endpoint, why)
            found = FoundOptions(found.options, told=False)
        for _ in range(RACES):
            document = await self._drops.document(endpoint)
            drop = drop_of(document) if document else None
            if drop is None or drop.waiting_for is None:
                if found.told:
                    await self._options.clear(endpoint)
                return
            hurried = taken_over(drop)
            try:
                await self._drops.save(document, hurried, self._drops.due_at(hurried))
            except (StaleETag, DocumentNotFound):
                continue
            await self._drops.send(hurried, 0.0)
            return
        raise no_turn(endpoint)

    async def _refused(self, endpoint: str, why: str) -> None:
        _log.warning(
            "The options of endpoint '%s' for its drops are refused: %s",
            endpoint,
            why,
            extra={"action": "drop_options_refused", "endpoint": endpoint},
        )
        await self._options.tell(endpoint, why)
