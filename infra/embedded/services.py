"""What one embedded installation consists of, shared by all who need it in this process: the
host, which drives the functions, and the app's composition, whose activities they run."""

import asyncio
import contextlib
import logging
import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from uv import find_uv_bin

from domain.errors import DomainError
from infra.compute.local_compute import LocalCompute
from infra.compute.local_scorer import LocalScorer
from infra.embedded.arrival_sources import ArrivalSource, FolderSource
from infra.embedded.cipher import FernetCipher
from infra.embedded.clients import ClientRegistry
from infra.embedded.clock import SystemClock
from infra.embedded.data_folder import DataFolder
from infra.embedded.file_blob_store import FileBlobStore
from infra.embedded.issuer import KEYS_PATH, SigningKey, TokenIssuer
from infra.embedded.private_files import read_or_make_private
from infra.embedded.receipts import receipts_database
from infra.embedded.sqlite_resource_store import SqliteResourceStore
from infra.embedded.sqlite_work_queue import SqliteWorkQueue
from infra.queue_consumer import QueueConsumer
from infra.settings import Settings
from infra.token_verifier import JwtVerifier, KeySource, PublishedKeys, StaticKeys

_log = logging.getLogger(__name__)

_DAY = 86400.0


class EmbeddedServices:
    """One set of adapters on one data folder. Made by `open`, which touches no disk; each
    adapter opens what it needs at its first use."""

    _opened: ClassVar[dict[Path, "EmbeddedServices"]] = {}

    def __init__(self, settings: Settings, folder: DataFolder) -> None:
        self.settings = settings
        self.folder = folder
        self.clock = SystemClock()
        self.store = SqliteResourceStore(folder.documents)
        self.queue = SqliteWorkQueue(folder.queues, max_delivery_count=settings.queue_max_delivery)
        self.consumer: QueueConsumer = self.queue
        self.blobs = FileBlobStore(
            folder.root,
            base_url=settings.base_url,
            key=lambda: read_or_make_private(
                folder.secrets / "blob-urls.key", secrets.token_bytes(32)
            ),
        )
        self.compute = LocalCompute(folder.root, self.blobs, self._local_folder, uv=find_uv_bin())
        self.scorer = LocalScorer(self.compute)
        self.cipher = FernetCipher(folder.secrets / "cipher.key")
        self.receipts = receipts_database(folder.receipts)
        self.clients = ClientRegistry(folder.secrets)
        self.signing_key = SigningKey(folder.secrets / "token-signing.pem")
        self.issuer = TokenIssuer(
            settings.token_issuer, settings.token_audience, self.signing_key, self.clients
        )
        self._sweeping: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, settings: Settings) -> "EmbeddedServices":
        """The services of the settings' data folder: the same for everyone in this process
        until they are closed. Raises ValueError if they are open under other settings."""
        root = settings.data_dir.absolute()
        services = cls._opened.get(root)
        if services is None:
            services = cls._opened[root] = cls(settings, DataFolder(root))
        elif services.settings != settings:
            raise ValueError(f"{root} is open in this process under other settings")
        return services

    @cached_property
    def token_verifier(self) -> JwtVerifier:
        """Trusts the settings' issuer: this host's own unless its keys are elsewhere."""
        settings = self.settings
        own = settings.token_jwks_url == settings.base_url + KEYS_PATH
        keys: KeySource = (
            StaticKeys(self.signing_key.jwks) if own else PublishedKeys(settings.token_jwks_url)
        )
        return JwtVerifier(settings.token_issuer, settings.token_audience, keys)

    async def start(self) -> None:
        """For the host that has the folder to itself: what a killed one had in hand is
        there to be received again, and its leavings are swept, now and daily."""
        await asyncio.to_thread(self.folder.make)
        await asyncio.to_thread(os.makedirs, self.folder.inbox, 0o700, exist_ok=True)
        released = await self.queue.release_locks()
        if released:
            _log.info("%d messages that the last host had in hand come again", released)
        await self.compute.start()
        self._sweeping = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Everything acknowledged is on disk; the folder can be opened anew."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping
        await self.scorer.close()
        await self.compute.close()
        await self.queue.close()
        await self.store.close()
        await self.receipts.close()
        await self.blobs.close()
        await self.cipher.close()
        self._opened.pop(self.folder.root, None)

    def arrivals_in(self, container: str) -> ArrivalSource:
        """Where blobs that land in `container` are looked for."""
        return FolderSource(self.folder.blobs / container)

    def _local_folder(self, container: str, path: str) -> Path:
        """Where a model's process finds a folder of the blob store."""
        return self.folder.blobs / container / path

    async def _sweep(self) -> None:
        while True:
            try:
                await self.blobs.sweep()
            except DomainError as error:
                _log.warning("the blob store was not swept: %s", error)
            await asyncio.sleep(_DAY)
