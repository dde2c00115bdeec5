"""Where in a cluster an installation has, or may have, something."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound, StaleETag, Unavailable
from domain.ports import Create, Document, Replace, ResourceStore, Write
from infra.compute.remote.keeping.keeper_lease import PARTITION

_ID: Final = "namespaces"
_KIND: Final = "remoteNamespaces"
_FRESH: Final = 30.0
_TRIES: Final = 20


class KnownNamespaces:
    """One is written down before anything is made there, and stays until nothing is, so that
    whichever host comes next looks there, and nowhere else."""

    def __init__(self, store: ResourceStore, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._now = now
        self._known: tuple[str, ...] = ()
        self._read_at: float | None = None

    async def all(self) -> Sequence[str]:
        """As they were half a minute ago or later, and with what this host did since."""
        if self._read_at is None or self._now() - self._read_at >= _FRESH:
            self._learn(_names(await self._document()))
        return self._known

    async def add(self, name: str) -> None:
        if name not in await self.all():
            await self._change(lambda names: {*names, name})

    async def drop(self, name: str) -> None:
        if name in await self.all():
            await self._change(lambda names: names - {name})

    async def _change(self, change: Callable[[set[str]], set[str]]) -> None:
        for _ in range(_TRIES):
            document = await self._document()
            names = sorted(change(set(_names(document))))
            body = {"kind": _KIND, "names": names}
            write: Write = Create(_ID, body)
            if document is not None:
                write = Replace(_ID, body, document.etag)
            try:
                await self._store.transact(PARTITION, [write])
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue
            self._learn(names)
            return
        raise Unavailable("Which namespaces there are is being changed by others. Try again.")

    async def _document(self) -> Document | None:
        try:
            return await self._store.get(PARTITION, _ID)
        except DocumentNotFound:
            return None

    def _learn(self, names: Sequence[str]) -> None:
        self._known, self._read_at = tuple(names), self._now()


def _names(document: Document | None) -> list[str]:
    return list(document.body["names"]) if document is not None else []
