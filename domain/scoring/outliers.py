"""Instances that do markedly worse than their peers are left out for a while.

One gateway's view, of its own requests: no other need agree. An outlier fails several times in
a row while its peers hardly fail, or is several times slower than they are. At most half of a
deployment's instances are left out at once, so never the last one; after its time is up an
instance is tried anew, and left out for longer if it has not mended.
"""

import logging
import time
from collections.abc import Callable, Sequence
from statistics import median

from domain.ports import Instance

_log = logging.getLogger("ml_endpoints.outliers")

FAILURES = 5
"""In a row."""
SLOWER = 5.0
"""Times as slow as the median of its peers, and by SLOWER_BY seconds at least."""
SLOWER_BY = 0.05
ENOUGH = 10
"""Answers of an instance before its speed is judged or judges others."""
FIRST_REST = 5.0
LONGEST_REST = 60.0

_FADE = 0.1
_JUDGED_EVERY = 10
_KEPT = 4096


class _Record:
    __slots__ = ("answers", "failing", "failures", "rests", "seconds", "until")

    def __init__(self) -> None:
        self.answers = 0
        self.failures = 0
        self.failing = 0.0
        self.seconds = 0.0
        self.rests = 0
        self.until = 0.0

    def begin_anew(self) -> None:
        self.answers = self.failures = 0
        self.failing = self.seconds = 0.0


class Outliers:
    """`any` says quickly whether there may be one."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._records: dict[str, _Record] = {}
        self._out: dict[str, float] = {}
        self.any = False

    def without(self, instances: Sequence[Instance]) -> Sequence[Instance]:
        """`instances` but the outliers; all of them if there are no others."""
        now = self._now()
        for id in [i for i, until in self._out.items() if until <= now]:
            del self._out[id]
        self.any = bool(self._out)
        return [i for i in instances if i.id not in self._out] or instances

    def note(
        self, instance: Instance, peers: Sequence[Instance], seconds: float | None, *, failed: bool
    ) -> None:
        """One request's outcome; `seconds` that the answer took. `peers` holds the instance
        itself too."""
        if len(peers) < 2:
            return
        record = self._records.get(instance.id)
        if record is None:
            if len(self._records) >= _KEPT:
                # Instances come and go; what still runs is soon known again.
                self._records.clear()
            record = self._records[instance.id] = _Record()
        record.failing += (failed - record.failing) * _FADE
        if failed:
            record.failures += 1
            if record.failures >= FAILURES:
                self._judge_failing(instance, record, peers)
            return
        record.failures = 0
        if seconds is None:
            return
        record.answers += 1
        fade = max(_FADE, 1 / record.answers)
        record.seconds += (seconds - record.seconds) * fade
        if record.answers % _JUDGED_EVERY == 0:
            self._judge_slow(instance, record, peers)

    def _judge_failing(
        self, instance: Instance, record: _Record, peers: Sequence[Instance]
    ) -> None:
        others = self._others(instance, peers)
        # Where all fail alike it is the requests, or the model: leaving one out helps nobody.
        if others and median(other.failing for other in others) * 4 < record.failing:
            self._leave_out(instance, record, peers, f"failed {record.failures} times in a row")

    def _judge_slow(self, instance: Instance, record: _Record, peers: Sequence[Instance]) -> None:
        others = [o for o in self._others(instance, peers) if o.answers >= ENOUGH]
        if not others:
            return
        usual = median(other.seconds for other in others)
        if record.seconds > usual * SLOWER and record.seconds > usual + SLOWER_BY:
            told = f"takes {record.seconds * 1000:.0f} ms where others take {usual * 1000:.0f}"
            self._leave_out(instance, record, peers, told)

    def _others(self, instance: Instance, peers: Sequence[Instance]) -> list[_Record]:
        found = (self._records.get(p.id) for p in peers if p.id != instance.id)
        return [record for record in found if record is not None]

    def _leave_out(
        self, instance: Instance, record: _Record, peers: Sequence[Instance], why: str
    ) -> None:
        now = self._now()
        out = sum(1 for p in peers if self._out.get(p.id, 0.0) > now)
        if instance.id in self._out or (out + 1) * 2 > len(peers):
            return
        if now - record.until > LONGEST_REST:
            record.rests = 0
        rest = min(FIRST_REST * 2**record.rests, LONGEST_REST)
        record.rests += 1
        record.until = self._out[instance.id] = now + rest
        record.begin_anew()
        self.any = True
        _log.warning(
            "Instance %s %s: it is left out for %g s",
            instance.id,
            why,
            rest,
            extra={"action": "outlier_left_out"},
        )
