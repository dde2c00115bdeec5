"""The pools, as this host knows them."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import Final

from domain.errors import DomainError
from infra.compute.remote.workers.pool_record import PoolRecord
from infra.compute.remote.workers.pool_records import PoolRecords

_log = logging.getLogger("ml_endpoints.remote")

FRESH: Final = 0.5
"""Seconds for which what was read is told again."""
_KEPT: Final = 60.0


class KnownPools:
    """`on_change` is told of each pool that is another than it was, None for one that has gone.
    While they are watched, as `is_watched` says, they are read twice a second; the host that
    decides knows what it writes at once."""

    def __init__(
        self,
        records: PoolRecords,
        on_change: Callable[[str, PoolRecord | None], None],
        is_watched: Callable[[], bool],
    ) -> None:
        self._records = records
        self._on_change = on_change
        self._is_watched = is_watched
        self._learned: dict[str, float] = {}
        self._pools: dict[str, PoolRecord] = {}
        self._read_at = -FRESH
        self._turn = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    def of(self, key: str) -> PoolRecord | None:
        """That of a job or deployment; the one that was joined last."""
        found = [pool for pool in self._pools.values() if pool.member(key) is not None]
        return max(found, key=lambda pool: pool.told, default=None)

    @property
    def all(self) -> list[PoolRecord]:
        return list(self._pools.values())

    async def refresh(self, *, within: float = 0.0) -> None:
        """As they were when this was called, or at most `within` seconds before."""
        began = time.monotonic()
        if began - self._read_at < within:
            return
        async with self._turn:
            if self._read_at > began:
                return
            at = time.monotonic()
            records = await self._records.all()
            self._read_at = at
            self.learn_all(records, at)

    def learn_all(self, records: Iterable[PoolRecord], as_of: float) -> None:
        """All there were, when they were asked for: `as_of`, by the monotonic clock. What was
        learnt since is newer."""
        told = {record.name: record for record in records}
        for name in {*told, *self._pools}:
            if self._learned.get(name, -math.inf) > as_of:
                continue
            if name in told:
                self._take(told[name])
            else:
                self._drop(name)

    def learn(self, record: PoolRecord) -> None:
        """As it is now."""
        self._learned[record.name] = time.monotonic()
        self._take(record)

    def forget(self, name: str) -> None:
        """It is no more."""
        self._learned[name] = time.monotonic()
        self._drop(name)

    def _take(self, record: PoolRecord) -> None:
        if self._pools.get(record.name) != record:
            self._pools[record.name] = record
            self._on_change(record.name, record)

    def _drop(self, name: str) -> None:
        if self._pools.pop(name, None) is not None:
            self._on_change(name, None)
        for each in [n for n, at in self._learned.items() if at < time.monotonic() - _KEPT]:
            del self._learned[each]

    def watch(self) -> None:
        """Go on reading, for as long as it is watched."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="pools of workers")

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while self._is_watched():
            try:
                await self.refresh(within=FRESH)
            except DomainError as error:
                _log.warning("The pools of workers cannot be read: %s", error)
            except Exception:  # units would wait for ever
                _log.exception("The pools of workers cannot be read")
            await asyncio.sleep(FRESH)
