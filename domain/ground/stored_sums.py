"""Figures that every gateway counts for itself and that are added up in the store.

A gateway gathers in memory and, every few seconds, adds what it gathered to one document
for each subject. So decisions and reports read what all gateways have seen, a few seconds
late, and no request ever waits for a store.
"""

import asyncio
import itertools
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.errors import DocumentExists, DocumentNotFound, DomainError, StaleETag
from domain.ground.flushing import Flushing
from domain.ports import Clock, Create, Document, Json, Replace, ResourceStore, Write

_log = logging.getLogger("ml_endpoints.sums")

Sums = dict[str, Any]
"""Numbers by name, at any depth; they only ever rise."""

WRITERS = 32
_TRIES = 8


@dataclass(frozen=True)
class Subject:
    """What is counted. `facts` stand in the document's body; `ttl` seconds after the last
    addition it goes."""

    partition: str
    id: str
    kind: str
    ttl: int
    facts: Mapping[str, Any] = field(compare=False)


@dataclass(slots=True)
class _Gathered:
    """`sent` is an addition whose fate is not known yet: it is written again under the same
    number until it is certain, while `sums` gathers the next."""

    sums: Sums
    number: int = 0
    sent: Sums | None = None


class StoredSums:
    """One gateway's share. A subject's addition is applied exactly once even if the store
    takes it and its answer gets lost; a gateway that dies loses what it had not yet added.

    One event loop owns it. At most `capacity` subjects are gathered for at a time; adding to
    one document may take `write_limit` seconds.
    """

    def __init__(
        self,
        store: ResourceStore,
        clock: Clock,
        *,
        period: float,
        capacity: int = 10_000,
        write_limit: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._capacity = capacity
        self._write_limit = write_limit
        self._gateway = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._one_flush = asyncio.Lock()
        self._gathered: dict[Subject, _Gathered] = {}
        self._flushing = Flushing(self.flush, self._is_left, period=period)

    @property
    def pending(self) -> int:
        """Subjects for which something is gathered that is not known to be stored."""
        return len(self._gathered)

    def add(self, subject: Subject, amounts: Sums) -> None:
        """Count `amounts`. Costs no I/O."""
        gathered = self._gathered.get(subject)
        if gathered is None:
            if len(self._gathered) >= self._capacity:
                _log.warning("More than %d subjects at once: not counted", self._capacity)
                return
            gathered = self._gathered[subject] = _Gathered({})
        add_up(gathered.sums, amounts)
        self._flushing.ask()

    async def flush(self) -> None:
        """Add everything gathered to the store now. What the store will not take is kept
        for the next time."""
        async with self._one_flush:
            for subject, gathered in list(self._gathered.items()):
                await self._flush_one(subject, gathered)

    async def _flush_one(self, subject: Subject, gathered: _Gathered) -> None:
        if gathered.sent is None:
            if not gathered.sums:
                del self._gathered[subject]
                return
            gathered.sent, gathered.sums = gathered.sums, {}
            gathered.number = next(self._numbers)
        try:
            async with asyncio.timeout(self._write_limit):
                await self._write(subject, gathered.number, gathered.sent)
        except (TimeoutError, DomainError) as error:
            _log.warning("The sums of %s were not stored: %r", subject.id, error)
            return
        gathered.sent = None

    def _is_left(self) -> bool:
        return bool(self._gathered)

    async def close(self) -> None:
        """Add what is left, and count no more on a timer."""
        await self._flushing.end()
        await self.flush()

    async def read(self, partition: str, id: str) -> Sums:
        """What all gateways have added for a subject; empty when nothing was."""
        try:
            document = await self._store.get(partition, id)
        except DocumentNotFound:
            return {}
        sums: Sums = document.body["sums"]
        return sums

    async def _write(self, subject: Subject, number: int, sums: Sums) -> None:
        for _ in range(_TRIES):
            try:
                document: Document | None = await self._store.get(subject.partition, subject.id)
            except DocumentNotFound:
                document = None
            write = self._addition(subject, document, number, sums)
            if write is None:
                return
            try:
                await self._store.transact(subject.partition, [write])
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue  # Another gateway was first: add to what it has made.
            return
        raise TimeoutError(f"others wrote {_TRIES} times in between")

    def _addition(
        self, subject: Subject, document: Document | None, number: int, sums: Sums
    ) -> Write | None:
        """None when this addition is in the document already."""
        now = self._clock.now().timestamp()
        body: Json = {**subject.facts, "kind": subject.kind, "updated": now}
        if document is None:
            body |= {"since": now, "sums": sums, "writers": [[self._gateway, number]]}
            return Create(subject.id, body, ttl=subject.ttl)
        writers = [writer for writer in document.body["writers"] if writer[0] != self._gateway]
        if [self._gateway, number] in document.body["writers"]:
            return None
        total: Sums = {}
        add_up(total, document.body["sums"])
        add_up(total, sums)
        body |= {
            "since": document.body["since"],
            "sums": total,
            "writers": [*writers, [self._gateway, number]][-WRITERS:],
        }
        return Replace(subject.id, body, document.etag, ttl=subject.ttl)


def add_up(total: Sums, amounts: Mapping[str, Any]) -> None:
    """Add every number of `amounts` to its place in `total`."""
    for name, amount in amounts.items():
        if isinstance(amount, Mapping):
            add_up(total.setdefault(name, {}), amount)
        else:
            total[name] = total.get(name, 0) + amount
