"""How far a job is: which units are out, and what has come back.

Rules only; recording runs them inside one transaction of the job's partition, so that a crash
loses no place in the window and nothing is counted twice.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from domain.jobs.records.job_pace import Mark, Marks, Pace, marked, pace
from domain.jobs.records.job_times import JobTimes
from domain.values import Value, unsaid

_LARGEST = 16
_MOST_IN_FLIGHT = 256
"""Units, where they are bundled: each stands in the document that every record replaces."""
_MOST_HELD = 256
"""Units: where so many have failed and none has succeeded, it is not for single files."""
_MOVED = "moved"


class Tally(Value):
    """What one recorded unit adds. A piece of a file counts as a file; so many of the files are
    pieces. `read` are the bytes of its inputs, once however often it was tried, `written` those of
    its rows."""

    succeeded_mini_batches: int = 0
    failed_mini_batches: int = 0
    succeeded_files: int = 0
    failed_files: int = 0
    rows: int = 0
    succeeded_pieces: Annotated[int, unsaid(0)] = 0
    failed_pieces: Annotated[int, unsaid(0)] = 0
    read: Annotated[int, Field(exclude=True)] = 0
    written: Annotated[int, Field(exclude=True)] = 0

    def beside(self) -> dict[str, Any]:
        """What of it stands in a document beside the entity that it belongs to, within which v0.1.0
        refuses what it does not know."""
        return {_MOVED: [self.read, self.written]} if self.read or self.written else {}

    def of(self, body: Mapping[str, Any]) -> Self:
        """Whole, as it was when the document's body was written."""
        read, written = body.get(_MOVED, (self.read, self.written))
        return self.model_copy(update={"read": read, "written": written})


class InFlight(Value):
    """A unit that was sent: when to send it again, and how often that was done."""

    lease_until: float
    resends: int = 0


class Progress(Value):
    """`in_flight` never holds more than `window` bundles, of `bundle` units each. `held` units
    have failed before any mini-batch has succeeded, and are in flight no more until one does, or
    nothing else is left to. `closed` ends it: nothing is recorded or released any more."""

    units: int
    mini_batches: int
    files: int
    window: int
    bundle: int = 1
    error_threshold: int
    released: int = 0
    recorded: int = 0
    in_flight: dict[int, InFlight] = {}
    tally: Tally = Tally()
    closed: bool = False
    marks: Marks = ()
    held: Annotated[tuple[int, ...], unsaid(())] = ()

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

    def open(self, now: float, times: JobTimes) -> tuple[Self, list[range]]:
        """Fill the window; which bundles of units are to be sent."""
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
        self,
        units: Mapping[int, Tally],
        seconds: float,
        now: float,
        times: JobTimes,
        *,
        took: float = 0.0,
    ) -> tuple[Self, list[range]]:
        """`units` came back, which `took` so many seconds together, their scripts `seconds` of
        them; which bundles are to be sent next. A progress that is over, or becomes it by this,
        releases none."""
        left = {ordinal: f for ordinal, f in self.in_flight.items() if ordinal not in units}
        tally = self.tally
        for each in units.values():
            tally = added(tally, each)
        after = self.but(
            recorded=self.recorded + len(units),
            in_flight=left,
            tally=tally,
            bundle=self._next_bundle(len(units), seconds, took, times),
            held=tuple(each for each in self.held if each not in units),
        )
        after = after.but(marks=marked(self.marks, after._mark(now)))
        if after.is_over:
            return after.but(closed=after.is_over_threshold), []
        return after._release(left, now, times)

    def may_wait(self, unit: int) -> bool:
        """Whether a unit that has failed is to wait for one that succeeds: others may, and the
        job has not failed yet by what is sure to have."""
        others = {*self.held, *self.in_flight} - {unit}
        left = self.released < self.units or others - {*self.held}
        failed = self.tally.failed_files + len({*self.held, unit})
        is_over_threshold = 0 <= self.error_threshold < failed
        return bool(left) and not is_over_threshold and len(self.held) < _MOST_HELD

    def hold(self, unit: int, now: float, times: JobTimes) -> tuple[Self, list[range]]:
        """`unit` waits; which bundles are to be sent in its place."""
        left = {ordinal: f for ordinal, f in self.in_flight.items() if ordinal != unit}
        held = (*(each for each in self.held if each != unit), unit)
        return self.but(held=held)._release(left, now, times)

    def _next_bundle(self, units: int, seconds: float, took: float, times: JobTimes) -> int:
        """Twice as many units where that many would still be quick, half where so many as now
        are not, if all are as these, which `took` so long, their scripts `seconds` of it. Of
        jobs that go on side by side, none is a bundle ahead that others would notice."""
        scripts, whole = (each / units * self.bundle for each in (seconds, took))
        longest = times.bundle_limit / 2
        if scripts * 2 <= times.bundle_seconds and whole * 2 <= longest:
            done = (self.recorded + units) // times.bundle_parts
            return max(1, min(self.bundle * 2, _LARGEST, done, _MOST_IN_FLIGHT // self.window))
        slow = scripts > times.bundle_seconds * 2 or whole > longest
        return max(1, self.bundle // 2) if slow else self.bundle

    def close(self) -> Self:
        return self.but(closed=True, in_flight={}, held=())

    def overdue(self, now: float) -> list[int]:
        """Units that were sent and whose lease has run out."""
        return [ordinal for ordinal, f in self.in_flight.items() if f.lease_until <= now]

    def resend(self, units: Iterable[int], now: float, times: JobTimes) -> Self:
        """`units` are sent once more."""
        in_flight = dict(self.in_flight)
        for unit in units:
            resends = in_flight[unit].resends + 1
            in_flight[unit] = InFlight(
                lease_until=now + times.release_lease_after(resends), resends=resends
            )
        return self.but(in_flight=in_flight)

    def lease(self, leases: Mapping[int, float]) -> Self:
        """Somebody is at these units until then."""
        in_flight = dict(self.in_flight)
        for unit, until in leases.items():
            in_flight[unit] = in_flight[unit].but(lease_until=until)
        return self.but(in_flight=in_flight)

    def _release(
        self, in_flight: dict[int, InFlight], now: float, times: JobTimes
    ) -> tuple[Self, list[range]]:
        lease = InFlight(lease_until=now + times.release_lease)
        back = self._back(in_flight)
        in_flight = {**in_flight, **dict.fromkeys(back, lease)}
        # Towards the end smaller ones, so that nobody is left with a whole bundle to do.
        size = max(1, min(self.bundle, (self.units - self.released) // (2 * self.window)))
        # Whole ones only: what comes back in crumbs would go out in crumbs for ever.
        room = max(0, self.window * self.bundle - len(in_flight)) // size * size
        end = min(self.released + room, self.units)
        fresh = [range(first, min(first + size, end)) for first in range(self.released, end, size)]
        in_flight = {**in_flight, **dict.fromkeys(range(self.released, end), lease)}
        held = tuple(each for each in self.held if each not in back)
        after = self.but(released=end, in_flight=in_flight, held=held)
        return after, [*(range(each, each + 1) for each in back), *fresh]

    def _back(self, in_flight: Mapping[int, InFlight]) -> tuple[int, ...]:
        """The held units that go on now."""
        is_over = not in_flight and self.released == self.units
        if not is_over and not self.tally.succeeded_mini_batches:
            return ()
        return self.held[: max(0, self.window * self.bundle - len(in_flight))]


def added(one: Tally, other: Tally) -> Tally:
    sums = {name: getattr(one, name) + getattr(other, name) for name in Tally.model_fields}
    return one.but(**sums)
