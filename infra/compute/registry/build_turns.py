"""One host makes an image at a time, of all that share a store."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from domain.errors import DomainError
from infra.compute.registry.image_records import ImageRecord, ImageRecords

_BEAT: Final = 3.0
"""Seconds between two signs of life of a host that makes one."""
OUTLIVED: Final = 15.0
"""Seconds without one, after which another takes over."""
_LOOK: Final = 0.5


class BuildTurns:
    """No clock is compared with another's: who waits sees that the record has not changed for a
    while of its own. Two that think it is their turn for a moment make the same, and one of them
    saves it."""

    def __init__(self, records: ImageRecords, now: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._now = now
        self._me = uuid.uuid4().hex

    @asynccontextmanager
    async def turn(
        self, wish: ImageRecord, is_done: Callable[[ImageRecord], bool], waiting: Callable[[], None]
    ) -> AsyncIterator["Turn | None"]:
        """None where another host has made meanwhile what `is_done` takes; `waiting` is called
        once while one is at it."""
        turn = await self._taken(wish, is_done, waiting)
        if turn is None:
            yield None
            return
        beating = asyncio.create_task(turn.beat(), name=f"build of {wish.key}")
        try:
            yield turn
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await asyncio.shield(turn.end())

    async def _taken(
        self, wish: ImageRecord, is_done: Callable[[ImageRecord], bool], waiting: Callable[[], None]
    ) -> "Turn | None":
        seen, since, told = "", self._now(), False
        while True:
            found = await self._records.find(wish.key)
            record, etag = found if found is not None else (wish, None)
            if found is not None and is_done(record):
                return None
            if etag is not None and etag != seen:
                seen, since = etag, self._now()
            if not record.holder or self._now() - since >= OUTLIVED:
                mine = replace(record, holder=self._me, beat=record.beat + 1)
                taken = await self._records.save(mine, etag)
                if taken is not None:
                    return Turn(self._records, mine, taken)
                continue
            if not told:
                waiting()
                told = True
            await asyncio.sleep(_LOOK)


class Turn:
    """`record` is what was there before, with this host as its holder."""

    def __init__(self, records: ImageRecords, record: ImageRecord, etag: str) -> None:
        self.record = record
        self._records = records
        self._etag: str | None = etag
        self._lock = asyncio.Lock()

    async def save(self, record: ImageRecord) -> bool:
        """False where another host has taken over."""
        async with self._lock:
            if self._etag is not None:
                self._etag = await self._records.save(record, self._etag)
                self.record = record
            return self._etag is not None

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            try:
                await self.save(replace(self.record, beat=self.record.beat + 1))
            except DomainError:
                continue  # it is tried again, and others wait longer

    async def end(self) -> None:
        if self.record.holder:
            await self.save(replace(self.record, holder=""))
