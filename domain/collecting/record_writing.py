"""Collected records on their way from memory into blobs."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.assets.asset_registration import AssetRegistration
from domain.assets.datastore import COLLECTED, DEFAULT
from domain.collecting.collected_record import CollectedRecord, Line, rendered, rolled
from domain.collecting.collection_files import CollectionFiles
from domain.collecting.redacting import Redactor
from domain.errors import NotFound
from domain.ground.counting.tally import Tally, deployment_subject
from domain.ground.flushing import Flushing
from domain.names import WorkspaceScope
from domain.online.monitoring.data_collector import DataCollector, RollingRate
from domain.ports import BlobFolder, BlobStore, Clock
from domain.ports.records.figure_store import Series

_log = logging.getLogger("ml_endpoints.collecting")

_AT_ONCE: Final = 8 * 2**20
"""Bytes that are rendered and written in one go."""
_KEPT_OPEN: Final = timedelta(hours=2)


class Lost(StrEnum):
    """Why a record is not there."""

    NO_ROOM = "NoRoom"
    """More came than could be written away."""
    TOO_LARGE = "TooLarge"
    INCOMPLETE = "Incomplete"
    """Its body did not pass whole."""
    NOT_READABLE = "NotReadable"
    """An instance gave what is no record."""
    STOPPED = "Stopped"
    """The gateway ended before it was written."""


@dataclass(frozen=True)
class Collector:
    """What collects for one deployment, as it is now."""

    endpoint: str
    deployment: str
    rules: DataCollector

    def series(self, metric: str, *told: str) -> Series:
        return Series(deployment_subject(self.endpoint, self.deployment), metric, told)


@dataclass
class _Pending:
    collector: Collector
    records: list[CollectedRecord] = field(default_factory=list)


class RecordWriting:
    """One gateway's, on one event loop. It holds `most` bytes of records; more are lost, and
    counted. They are written `period` seconds after they came, and later where the store is out."""

    def __init__(
        self,
        blobs: BlobStore,
        assets: AssetRegistration,
        scope: WorkspaceScope,
        clock: Clock,
        tally: Tally,
        *,
        most: int,
        period: float,
    ) -> None:
        self._blobs = blobs
        self._assets = assets
        self._scope = scope
        self._clock = clock
        self._tally = tally
        self._most = most
        self._files = CollectionFiles(blobs)
        self._pending: dict[tuple[str, str, str], _Pending] = {}
        self._size = 0
        self._failures = 0
        self._folders: dict[str, BlobFolder] = {}
        self._recent: dict[BlobFolder, datetime] = {}
        self._writing = asyncio.Lock()
        self._flushing = Flushing(self.flush, lambda: bool(self._pending), period=period)

    def put(self, collector: Collector, collection: str, record: CollectedRecord) -> None:
        """To be written. Costs no I/O."""
        if self._size + record.size > self._most:
            self.lose(collector, collection, Lost.NO_ROOM)
            return
        self._size += record.size
        key = collector.endpoint, collector.deployment, collection
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(collector)
        pending.collector = collector
        pending.records.append(record)
        self._flushing.ask()

    def lose(self, collector: Collector, collection: str, why: Lost | str, number: int = 1) -> None:
        """Count records that will not be there."""
        series = collector.series("DataCollectionErrorsPerMinute", collection, str(why))
        self._tally.add(series, number)

    async def flush(self) -> None:
        """Write what is there. What cannot be written stays for the next time."""
        async with self._writing:
            for key in list(self._pending):
                await self._write_all(key)
            self._forget_old()

    async def close(self, *, grace: float) -> None:
        """Write what is there within `grace` seconds; what is left is lost."""
        await self._flushing.end()
        try:
            async with asyncio.timeout(grace):
                await self.flush()
        except TimeoutError:
            _log.warning("Collected records were not written within %g s.", grace)
        for (_, _, collection), pending in self._pending.items():
            self.lose(pending.collector, collection, Lost.STOPPED, len(pending.records))
        self._pending.clear()

    async def _write_all(self, key: tuple[str, str, str]) -> None:
        collection = key[2]
        while (pending := self._pending.get(key)) is not None:
            taken = _first(pending.records, pending.collector.rules.rolling_rate)
            try:
                await self._write(pending.collector, collection, taken)
            except Exception as error:  # a store that is out may say so in any way
                self._failed(key, error)
                return
            self._failures = 0
            self._size -= sum(record.size for record in taken)
            del pending.records[: len(taken)]
            series = pending.collector.series("DataCollectionEventsPerMinute", collection)
            self._tally.add(series, len(taken))
            if not pending.records:
                del self._pending[key]

    async def _write(
        self, collector: Collector, collection: str, records: list[CollectedRecord]
    ) -> None:
        """All of them into one folder, or none."""
        above = await self._folder(collector, collection)
        time = rolled(records[0].time, collector.rules.rolling_rate)
        folder = BlobFolder(above.container, f"{above.path}/{time}")
        names = [f"{folder.path}/{record.id}" for record in records]
        urls = [self._blobs.url(folder.container, name) for name in names]
        redactor = Redactor(collector.rules.redaction)
        source = self._scope.path(
            "onlineEndpoints", collector.endpoint, "deployments", collector.deployment
        )

        def render() -> list[Line]:
            return [
                rendered(record, source, collection, redactor, url)
                for record, url in zip(records, urls, strict=True)
            ]

        # Parsing and looking for patterns are kept off the event loop.
        await self._files.append(folder, await asyncio.to_thread(render), names)
        self._recent[folder] = self._clock.now()

    async def _folder(self, collector: Collector, collection: str) -> BlobFolder:
        rules = collector.rules.collections.get(collection)
        data = rules.data_id if rules else None
        if data is None:
            path = f"{COLLECTED}/{collector.endpoint}/{collector.deployment}/{collection}"
            return BlobFolder(DEFAULT, path)
        # A version stays what it is.
        folder = self._folders.get(data)
        if folder is None:
            folder = (await self._assets.data(data)).folder
            if folder is None:
                raise NotFound(f"'{data}' is no folder.")
            self._folders[data] = folder
        return folder

    def _failed(self, key: tuple[str, str, str], error: Exception) -> None:
        self._failures += 1
        times = self._failures
        if times & (times - 1) == 0:
            _log.warning(
                "What was collected for %s/%s/%s is not written yet (%d tries): %s",
                *(*key, times, error),
            )

    def _forget_old(self) -> None:
        before = self._clock.now() - _KEPT_OPEN
        self._recent = {f: at for f, at in self._recent.items() if at >= before}
        self._files.forget(set(self._recent))


def _first(records: list[CollectedRecord], rate: RollingRate) -> list[CollectedRecord]:
    """As many as are written in one go, into one folder; at least one."""
    size, time = 0, rolled(records[0].time, rate)
    for number, record in enumerate(records):
        size += record.size
        if number and (size > _AT_ONCE or rolled(record.time, rate) != time):
            return records[:number]
    return list(records)
