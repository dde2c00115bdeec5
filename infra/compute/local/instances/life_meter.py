"""For how long each process of a model has run, and for whom."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from domain.ports.records.running_meter import Life, Reading, RunningMeter

_MOST_ENDED: Final = 10_000
"""Lives that wait to be counted by whoever keeps them; the oldest are let go."""


@dataclass(frozen=True)
class Payer:
    """Whose a process is: `key` tells, also while it runs, of workers that several have, the one
    it was started for; '' for none. It counts for `amount` instances, or workers."""

    key: Callable[[], str]
    amount: float = 1.0


class RunningLife:
    """One process. Its times are the meter's."""

    def __init__(self, payer: Payer, now: Callable[[], float], over: Callable[[], None]) -> None:
        self.id = uuid4().hex[:16]
        self.since = now()
        self.until: float | None = None
        self._payer = payer
        self._now = now
        self._over = over
        self._last = payer.key()
        self._busy: dict[str, float] = {}
        self._working: tuple[str, float] | None = None

    def works_for(self, key: str) -> None:
        self._rest()
        self._last, self._working = key, (key, self._now())

    def rests(self) -> None:
        self._rest()

    def end(self) -> None:
        if self.until is None:
            self._rest()
            self.until = self._now()
            self._over()

    def life(self, at: float) -> Life:
        self._last = self._last or self._payer.key()
        busy, working = dict(self._busy), self._working
        if working is not None:
            busy[working[0]] = busy.get(working[0], 0.0) + self._amount(at - working[1])
        return Life(self.id, self._last, self._payer.amount, self.since, self.until, busy)

    def forget(self, told: Life) -> None:
        """What it has worked for jobs that it works for no more was counted."""
        working = self._working[0] if self._working is not None else None
        for key, seconds in told.busy.items():
            if key != working and self._busy.get(key) == seconds:
                del self._busy[key]

    def _rest(self) -> None:
        if self._working is not None:
            key, since = self._working
            self._busy[key] = self._busy.get(key, 0.0) + self._amount(self._now() - since)
            self._working = None

    def _amount(self, seconds: float) -> float:
        return max(seconds, 0.0) * self._payer.amount


async def _nobody() -> None:
    """Nobody counts."""


class LifeMeter(RunningMeter):
    """Of this host's own processes. `now` is in Unix seconds. One event loop owns it."""

    is_shared = False

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._running: dict[str, RunningLife] = {}
        self._ended: dict[str, RunningLife] = {}
        self._changed: Callable[[], None] = lambda: None
        self.all_ended: Callable[[], Awaitable[None]] = _nobody
        """To be called before this is closed, once nothing runs any more."""

    def begin(self, payer: Payer) -> RunningLife:
        """A process runs from now on, until its life is ended."""
        life = RunningLife(payer, self._now, lambda: self._over(life))
        self._running[life.id] = life
        self._changed()
        return life

    def _over(self, life: RunningLife) -> None:
        del self._running[life.id]
        self._ended[life.id] = life
        if len(self._ended) > _MOST_ENDED:
            self._ended.pop(next(iter(self._ended)))
        self._changed()

    def tell(self, changed: Callable[[], None], ended: Callable[[], Awaitable[None]]) -> None:
        self._changed, self.all_ended = changed, ended

    @property
    def has_any(self) -> bool:
        return bool(self._running or self._ended)

    def read(self) -> Reading:
        at = self._now()
        lives = [*self._ended.values(), *self._running.values()]
        return Reading(at, [each.life(at) for each in lives])

    def kept(self, reading: Reading) -> None:
        for told in reading.lives:
            if told.until is not None:
                self._ended.pop(told.id, None)
            elif told.id in self._running:
                self._running[told.id].forget(told)
