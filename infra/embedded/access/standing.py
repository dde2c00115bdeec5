"""Which clients of an embedded issuer stand, for every host that takes its tokens: this host's
own are read from their file, another host's from what that one tells in the store they share."""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Mapping

from domain.errors import (
    DocumentExists,
    DocumentNotFound,
    DomainError,
    Invalid,
    Unavailable,
)
from domain.ports import Create, Document, Replace, ResourceStore
from infra.embedded.access.clients import ClientRegistry
from infra.web.client_standing import ClientStanding

KIND = "issuersClients"
PARTITION = "access"

_LOOK = 0.25
"""Seconds between two looks at the file."""
_TELL = 0.5
"""Seconds until others are told of a change."""
_READ = 1.0
"""Seconds between two looks at what another host tells."""
_USABLE = 2.0
"""Seconds for which what was read then is gone by."""

_log = logging.getLogger(__name__)

Versions = Mapping[str, str]
"""By client id."""


class OwnStanding(ClientStanding):
    """The file is read when it has changed; for `epoch` it is looked at no more than every quarter
    of a second."""

    def __init__(
        self, registry: ClientRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._looked_at = -_LOOK
        self._seen: object = None
        self._epoch = 0
        self._versions: tuple[int, Versions] = (-1, {})

    @property
    def epoch(self) -> int:
        now = self._clock()
        if now - self._looked_at >= _LOOK:
            self._looked_at = now
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                self._epoch += 1
        return self._epoch

    async def holds(self, subject: str, version: str) -> bool:
        return _holds(await self.versions(), subject, version)

    async def versions(self) -> Versions:
        """As they are now. Raises Unavailable for a file that is damaged, or cannot be read."""
        self._looked_at = -_LOOK
        epoch = self.epoch
        if self._versions[0] != epoch:
            try:
                clients = await asyncio.to_thread(self._registry.list)
            except Invalid as error:
                raise Unavailable(f"The clients cannot be read: {error.message}") from error
            except OSError as error:
                raise Unavailable(f"The clients cannot be read: {error.strerror}") from error
            self._versions = (epoch, {client.client_id: client.version for client in clients})
        return self._versions[1]

    def _look(self) -> object:
        try:
            about = self._registry.file.stat()
        except OSError:
            return None
        return about.st_mtime_ns, about.st_ino, about.st_size


class TellingStanding:
    """Tells other hosts, in the store, which clients of this host's issuer stand."""

    def __init__(self, store: ResourceStore, issuer: str, own: OwnStanding) -> None:
        self._store = store
        self._id = _document_id(issuer)
        self._own = own
        self._told: Versions | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.tell()
            except DomainError as error:
                _log.warning("other hosts are not told which clients stand: %s", error.message)
            await asyncio.sleep(_TELL)

    async def tell(self) -> None:
        """What has changed since it was told."""
        versions = await self._own.versions()
        if versions == self._told:
            return
        body = {"kind": KIND, "clients": dict(versions)}
        try:
            await self._store.transact(PARTITION, [Create(self._id, body)])
        except DocumentExists:
            await self._store.transact(PARTITION, [Replace(self._id, body, None)])
        self._told = versions


class FollowedStanding(ClientStanding):
    """What another host tells of its clients; of an issuer that tells nothing all stand. Followed
    once a second by `run`; whoever asks while that is behind waits for a look of its own."""

    def __init__(
        self, store: ResourceStore, issuer: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._id = _document_id(issuer)
        self._clock = clock
        self._document: Document | None = None
        self._read_at = -_USABLE
        self._epoch = 0

    @property
    def epoch(self) -> int:
        if not self._is_usable():
            # Whatever was taken on trust is to be asked for anew.
            self._epoch += 1
        return self._epoch

    async def holds(self, subject: str, version: str) -> bool:
        if not self._is_usable():
            await self._read()
        if self._document is None:
            return True
        return _holds(self._document.body["clients"], subject, version)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(DomainError):  # told to whoever asks
                await self._read()
            await asyncio.sleep(_READ)

    def _is_usable(self) -> bool:
        return self._clock() - self._read_at < _USABLE

    async def _read(self) -> None:
        begun = self._clock()
        found: Document | None
        try:
            found = await self._store.get(PARTITION, self._id)
        except DocumentNotFound:
            found = None
        known = self._document
        if (found and found.etag) != (known and known.etag):
            self._epoch += 1
        self._document, self._read_at = found, begun


def _document_id(issuer: str) -> str:
    return hashlib.sha256(issuer.encode()).hexdigest()[:32]


def _holds(versions: Versions, subject: str, version: str) -> bool:
    now = versions.get(subject)
    return now is not None and version in ("", now)
