"""How far a job is: which units are out, and what has come back.

Rules only; recording runs them inside one transaction of the job's partition, so that a crash
loses no place in the window and nothing is counted twice.
"""

from collections.abc import Iterable
from typing import Self

from domain.jobs.batch_times import BatchTimes
from domain.jobs.job_pace import Mark, Marks, Pace, marked, pace
from domain.values import Value


class Tally(Value):
    """What one recorded unit adds."""

    succeeded_mini_batches: int = 0
    failed_mini_batches: int = 0
    succeeded_files: int = 0
    failed_files: int = 0
    rows: int = 0


class InFlight(Value):
    """A unit that was sent: when to send it again, and how often that was done."""

    lease_until: float
    resends: int = 0


class Progress(Value):
    """`in_flight` never holds more than `window` units. `closed` ends it: nothing is
    recorded or released any more."""

    units: int
    mini_batches: int
    files: int
    window: int
    error_threshold: int
    released: int = 0
    recorded: int = 0
    in_flight: dict[int, InFlight] = {}
    tally: Tally = Tally()
    closed: bool = False
    marks: Marks = ()

    @property
    def is_complete(self) -> bool:
        return self.recorded == self.units

    @property
    def is_over_threshold(self) -> bool:
        """Azure ML's reading: -1 ignores failures; else one failed file more fails the job."""
        return 0 <= self.error_threshold < self.tally.failed_files

    @property
    def is_over(self) -> bool:
        return self.is_complete or self.is_over_threshold

    def open(self, now: float, times: BatchTimes) -> tuple[Self, list[int]]:
        """Fill the window; which units are to be sent."""
        opened = self.but(marks=marked(self.marks, self._mark(now)))
        return opened._release(dict(self.in_flight), now, times)

    def pace(self, now: float) -> Pace | None:
        """How fast it goes; None while that is not known, and once it is over."""
        if self.closed or self.is_over:
            return None
        mark = self._mark(now)
        return pace(self.marks, mark, self.mini_batches - mark.mini_batches)

    def _mark(self, now: float) -> Mark:
        tally = self.tally
        return Mark(
            at=now,
            mini_batches=tally.succeeded_mini_batches + tally.failed_mini_batches,
            files=tally.succeeded_files + tally.failed_files,
        )

    def record(
        self, unit: int, tally: Tally, now: float, times: BatchTimes
    ) -> tuple[Self, list[int]]:
        """One unit came back; which units are to be sent next. A progress that is over, or
        becomes it by this, releases none."""
        left = {ordinal: f for ordinal, f in self.in_flight.items() if ordinal != unit}
        after = self.but(recorded=self.recorded + 1, in_flight=left, tally=added(self.tally, tally))
        after = after.but(marks=marked(self.marks, after._mark(now)))
        if after.is_over:
            return after.but(closed=after.is_over_threshold), []
        return after._release(left, now, times)

    def close(self) -> Self:
        return self.but(closed=True, in_flight={})

    def overdue(self, now: float) -> list[int]:
        """Units that were sent and whose lease has run out."""
        return [ordinal for ordinal, f in self.in_flight.items() if f.lease_until <= now]

    def resend(self, units: Iterable[int], now: float, times: BatchTimes) -> Self:
        """`units` are sent once more."""
        in_flight = dict(self.in_flight)
        for unit in units:
            resends = in_flight[unit].resends + 1
            in_flight[unit] = InFlight(
                lease_until=now + times.release_lease_after(resends), resends=resends
            )
        return self.but(in_flight=in_flight)

    def prolong(self, leases: dict[int, float]) -> Self:
        """Somebody is at these units until then."""
        in_flight = dict(self.in_flight)
        for unit, until in leases.items():
            in_flight[unit] = in_flight[unit].but(lease_until=until)
        return self.but(in_flight=in_flight)

    def _release(
        self, in_flight: dict[int, InFlight], now: float, times: BatchTimes
    ) -> tuple[Self, list[int]]:
        count = min(self.window - len(in_flight), self.units - self.released)
        fresh = list(range(self.released, self.released + max(0, count)))
        lease = InFlight(lease_until=now + times.release_lease)
        in_flight = {**in_flight, **dict.fromkeys(fresh, lease)}
        return self.but(released=self.released + len(fresh), in_flight=in_flight), fresh


def added(one: Tally, other: Tally) -> Tally:
    return Tally(**{name: getattr(one, name) + getattr(other, name) for name in Tally.model_fields})
