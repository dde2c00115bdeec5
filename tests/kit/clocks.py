"""Clocks that tests move, for whatever tells the time in the product: a port Clock, and the plain
functions of seconds that adapters take (`clock.unix`)."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from domain.ports import Clock
from domain.rollout import mirroring
from domain.scoring import instance_asking, online_scoring, scoring_bodies, scoring_exchange

if TYPE_CHECKING:
    import pytest  # the Functions worker's environment, which the kit runs in too, has none

START = datetime(2026, 1, 2, tzinfo=UTC)


class HeldClock(Clock):
    """Stands still until it is moved. `time` is in seconds since the epoch, to the microsecond."""

    def __init__(self, time: float = START.timestamp()) -> None:
        self.time = time

    @property
    def time(self) -> float:
        return self._now.timestamp()

    @time.setter
    def time(self, seconds: float) -> None:
        self._now = datetime.fromtimestamp(seconds, UTC)

    def now(self) -> datetime:
        return self._now

    def unix(self) -> float:
        return self.time

    def move(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class BusyClock(HeldClock):
    """For what goes on while things change: it moves by `step` seconds with each look at it, so
    by what is done and not by how long a machine takes for that; a test can't move it."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self._step = timedelta(seconds=step)

    def now(self) -> datetime:
        self._now += self._step
        return self._now

    def unix(self) -> float:
        return self.now().timestamp()

    def move(self, seconds: float) -> None:
        pass


def hold_durations(monkeypatch: "pytest.MonkeyPatch") -> HeldClock:
    """What the scoring path, and what sends copies of its requests, take from here on for the
    time that requests and bodies take."""
    held = HeldClock(100.0)
    for module in (instance_asking, online_scoring, scoring_bodies, scoring_exchange, mirroring):
        monkeypatch.setattr(module, "perf_counter", held.unix)
    return held
