"""What one gateway counts and measures, gathered by steps of time and kept.

Sources count for themselves; they are asked what has come once each finest step, and only while
anything does: an idle gateway has no timer, and writes nothing.
"""

import asyncio
import logging
import math
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from domain.errors import DomainError
from domain.figures.metrics import NOT_KEPT
from domain.ports import Clock
from domain.ports.records.figure_store import Amounts, Bucket, FigureStore, Series, counted

_log = logging.getLogger("ml_endpoints.figures")

_WAITING = 600
"""Buckets that wait for a store which does not take them; beyond these the oldest are let go."""


class Source(Protocol):
    @abstractmethod
    def tell(self, changed: Callable[[], None]) -> None:
        """Have `changed` called when there is something to take again."""

    @abstractmethod
    def take(self) -> Iterable[tuple[Series, Amounts]]:
        """What has come since it was taken last."""


class _Running:
    """A step's buckets that are not over, or not known to be kept."""

    def __init__(self, step: int, capacity: int) -> None:
        self.step = step
        self._capacity = capacity
        self._buckets: dict[int, dict[Series, Amounts]] = {}
        self._changed: set[int] = set()

    def add(self, time: float, series: Series, amounts: Amounts) -> bool:
        """Whether there was room for the series."""
        at = int(time // self.step) * self.step
        bucket = self._buckets.setdefault(at, {})
        kept = bucket.get(series)
        self._changed.add(at)
        if kept is not None:
            kept.add(amounts)
            return True
        if len(bucket) >= self._capacity and series.metric != NOT_KEPT:
            return False
        bucket[series] = amounts.copy()
        return True

    def changed(self, before: float) -> Iterator[Bucket]:
        """Those that began before then."""
        for at in sorted(self._changed):
            if at < before:
                yield Bucket(self.step, at, {s: a.copy() for s, a in self._buckets[at].items()})

    def kept(self, bucket: Bucket) -> None:
        """Unless it has changed since, it is as it stands."""
        now = self._buckets.get(bucket.at)
        if now == bucket.series:
            self._changed.discard(bucket.at)

    def forget(self, now: float) -> int:
        """What is over, and kept, goes; and of what waits the oldest beyond the most. How many of
        those there were."""
        over = [at for at in self._buckets if at + self.step <= now and at not in self._changed]
        lost = sorted(self._changed)[:-_WAITING]
        for at in (*over, *lost):
            self._buckets.pop(at, None)
            self._changed.discard(at)
        return len(lost)

    @property
    def is_settled(self) -> bool:
        return not self._changed


class FigureGathering:
    """At most `capacity` series are followed in each step; more are counted as not kept, and told
    of. What a gateway that dies had not yet kept is lost. One event loop owns it."""

    def __init__(
        self, store: FigureStore, clock: Clock, sources: Sequence[Source], *, capacity: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._sources = tuple(sources)
        self._gateway = uuid.uuid4().hex[:12]
        self._finest = min(store.keeps)
        self._running = [_Running(step, capacity) for step in store.keeps]
        self._not_kept = 0
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flush: asyncio.Task[None] | None = None
        self._one_flush = asyncio.Lock()
        self._ended = False
        for source in self._sources:
            source.tell(self.ask)

    def ask(self) -> None:
        """Something has come, or will."""
        if self._since is None:
            self._since = self._clock.now().timestamp()
        self._arm()

    def measured(self, series: Series, value: float) -> None:
        """A level was looked at."""
        self._add(self._clock.now().timestamp(), series, Amounts(1, value, value, value))
        self._arm()

    def sample(self) -> None:
        """Take what has come. It counts for the time at which the first of it came."""
        if self._since is None:
            return
        since, self._since = self._since, None
        for source in self._sources:
            for series, amounts in source.take():
                if amounts.count:
                    self._add(since, series, amounts)

    async def flush(self) -> None:
        """Keep everything that has come up to now."""
        self.sample()
        await self._keep(math.inf)

    async def close(self) -> None:
        """Keep what is left, and gather no more on a timer."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flush is not None:
            await asyncio.wait([self._flush])
        await self.flush()

    def _add(self, time: float, series: Series, amounts: Amounts) -> None:
        kept = [running.add(time, series, amounts) for running in self._running]
        if all(kept):
            return
        for running in self._running:
            running.add(time, Series("", NOT_KEPT), counted(1))
        self._not_kept += 1
        if self._not_kept & (self._not_kept - 1) == 0:
            _log.warning(
                "More series than are followed at once: %s of %s was not kept (%d times by now)",
                *(series.metric, series.subject, self._not_kept),
            )

    def _arm(self) -> None:
        if self._timer is not None or self._ended:
            return
        # A moment after the step's end, by when it is surely over.
        now = self._clock.now().timestamp()
        wait = self._finest - now % self._finest + 0.01
        self._timer = asyncio.get_running_loop().call_later(wait, self._turn)

    def _turn(self) -> None:
        self._timer = None
        self.sample()
        now = self._clock.now().timestamp()
        is_due = int(now) // self._finest % (self._store.period // self._finest) == 0
        if is_due and self._flush is None:
            self._flush = asyncio.create_task(self._keep_ended(now))
        if self._since is not None or not all(each.is_settled for each in self._running):
            self._arm()

    async def _keep_ended(self, now: float) -> None:
        try:
            await self._keep(now // self._finest * self._finest)
        finally:
            self._flush = None

    async def _keep(self, before: float) -> None:
        """What began before then. What the store will not take is kept for the next time."""
        async with self._one_flush:
            buckets = [b for running in self._running for b in running.changed(before)]
            if not buckets:
                return
            try:
                await self._store.put(self._gateway, buckets)
            except (TimeoutError, DomainError) as error:
                _log.warning("Figures were not stored: %r", error)
            else:
                for running in self._running:
                    for bucket in buckets:
                        if bucket.step == running.step:
                            running.kept(bucket)
            finally:
                self._forget()

    def _forget(self) -> None:
        now = self._clock.now().timestamp()
        lost = sum(running.forget(now) for running in self._running)
        if lost:
            _log.warning("Figures of %d steps of time were given up", lost)
