"""Which stores, queues and blobs an embedded host runs on: its own, or Azure's (or servers that
speak their protocols), with everything else as it is."""

import logging
import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from domain.figures.outside_figures import NoOutsideFigures, OutsideFigures
from domain.ports import (
    AuditLog,
    BlobStore,
    Cipher,
    DeadLetterQueues,
    EventTopics,
    ResourceStore,
    StorageRoom,
    WorkQueue,
)
from domain.ports.records.figure_store import FigureStore
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.access.private_files import read_or_make_private
from infra.embedded.arrivals.arrival_sources import ArrivalSource, FolderSource, ListedSource
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.blobs.rest.bearers import Bearers
from infra.embedded.blobs.rest.door import BlobDoor
from infra.embedded.data_folder import DataFolder
from infra.embedded.database.sqlite_audit_log import SqliteAuditLog
from infra.embedded.database.sqlite_figure_store import SqliteFigureStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from infra.embedded.no_topics import NoTopics
from infra.rules.queue_consumer import QueueConsumer
from infra.settings import Settings
from infra.settings.features import FigureSettings

_log = logging.getLogger(__name__)


class Stores(ABC):
    """One family of adapters that keep things."""

    store: ResourceStore
    queue: WorkQueue
    dead_letters: DeadLetterQueues
    consumer: QueueConsumer
    blobs: BlobStore
    cipher: Cipher
    topics: EventTopics
    audit_log: AuditLog
    figures: FigureStore
    outside_figures: OutsideFigures

    are_shared: bool
    """Whether other hosts may have the same."""

    @abstractmethod
    async def start(self) -> None:
        """Before the first use, by the one host of the data folder."""

    @abstractmethod
    def look_again(self) -> None:
        """Another process may have sent messages: receivers that wait look for them."""

    @abstractmethod
    async def sweep(self) -> None:
        """Daily: remove what nobody will ask for again."""

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    def arrivals_in(self, container: str) -> ArrivalSource:
        """Where blobs that land in `container` are looked for."""

    @property
    @abstractmethod
    def blob_files(self) -> Path | None:
        """The folder of which blobs are plain files; None where they are kept elsewhere."""

    @abstractmethod
    def door(self, bearers: Bearers) -> BlobDoor | None:
        """What answers at the blob store's addresses, if that is this host."""

    @abstractmethod
    def lend_at(self, base_url: Callable[[], Awaitable[str]]) -> None:
        """Workers see no file of this machine: they reach what `door` answers for below this."""

    @abstractmethod
    def inbox(self, container: str) -> str:
        """What connection.json says of the inbox: a folder, or a URL."""


class LocalStores(Stores):
    """SQLite and plain files in the data folder. While there is no `room`, nothing is uploaded."""

    are_shared = False

    def __init__(self, settings: Settings, folder: DataFolder, room: StorageRoom) -> None:
        self._folder = folder
        self._room = room
        self._documents = self.store = SqliteResourceStore(folder.documents)
        queue = SqliteWorkQueue(
            folder.queues, max_delivery_count=settings.triggers.queue_max_delivery
        )
        self._queue = self.queue = self.consumer = self.dead_letters = queue
        self._files = self.blobs = FileBlobStore(
            folder.root,
            base_url=settings.installation.base_url,
            key=lambda: read_or_make_private(
                folder.secrets / "blob-urls.key", secrets.token_bytes(32)
            ),
        )
        self.topics = NoTopics()
        self._audit = self.audit_log = SqliteAuditLog(
            folder.audit,
            keep=timedelta(days=settings.access.audit_retention_days),
            max_bytes=settings.access.audit_max_bytes,
            now=time.time,
        )
        self._figures = self.figures = SqliteFigureStore(
            folder.figures,
            keeps=_keeps(settings.figures),
            max_bytes=settings.figures.max_bytes,
            now=time.time,
        )
        self.outside_figures = NoOutsideFigures()
        self._fernet = self.cipher = FernetCipher(folder.secrets / "cipher.key")

    async def start(self) -> None:
        os.makedirs(self._folder.inbox, 0o700, exist_ok=True)
        released = await self._queue.release_locks()
        if released:
            _log.info("%d messages that the last host had in hand come again", released)

    def look_again(self) -> None:
        self._queue.look_again()

    async def sweep(self) -> None:
        await self._files.sweep()

    async def close(self) -> None:
        await self._queue.close()
        await self._audit.close()
        await self._figures.close()
        await self._documents.close()
        await self._files.close()
        await self._fernet.close()

    def arrivals_in(self, container: str) -> ArrivalSource:
        return FolderSource(self._folder.blobs / container, self._files.files)

    @property
    def blob_files(self) -> Path | None:
        return self._folder.blobs

    def door(self, bearers: Bearers) -> BlobDoor | None:
        return BlobDoor(self._files.files, self._files.signed_urls, bearers, self._room)

    def lend_at(self, base_url: Callable[[], Awaitable[str]]) -> None:
        self._files.lend_at(base_url)

    def inbox(self, container: str) -> str:
        return str(self._folder.blobs / container)


class CloudStores(Stores):
    """Cosmos DB, Service Bus and Blob, as the settings name them."""

    are_shared = True

    def __init__(self, settings: Settings, folder: DataFolder) -> None:
        from infra.cloud.services import CloudServices

        self._services = services = CloudServices.open(settings)
        self.store = services.store
        self.queue = services.queue
        self.dead_letters = services.dead_letters
        self.consumer = services.consumer
        self.blobs = services.blobs
        self.cipher = services.cipher
        self.topics = services.topics
        self.audit_log = services.audit_log
        self.figures = services.figures
        self.outside_figures = services.outside_figures

    async def start(self) -> None:
        return

    def look_again(self) -> None:
        return

    async def sweep(self) -> None:
        return

    async def close(self) -> None:
        await self._services.close()

    def arrivals_in(self, container: str) -> ArrivalSource:
        return ListedSource(self.blobs, container)

    @property
    def blob_files(self) -> Path | None:
        return None

    def door(self, bearers: Bearers) -> BlobDoor | None:
        return None

    def lend_at(self, base_url: Callable[[], Awaitable[str]]) -> None:
        return

    def inbox(self, container: str) -> str:
        return self.blobs.url(container)


def _keeps(settings: FigureSettings) -> dict[int, timedelta]:
    return {
        1: timedelta(seconds=settings.seconds_kept),
        60: timedelta(days=settings.minutes_kept_days),
        3600: timedelta(days=settings.hours_kept_days),
    }
