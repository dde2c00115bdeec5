"""Tables of requests that are there at once, predicted by one call of the model.

Nobody waits for company: while one call goes on, what comes gathers, and the next call takes it.
Each request keeps its own thread, and a joined call has another, so that whatever becomes of that
(it raises, it goes on and on) a request of it falls back on a call of its own, and gets what that
one comes to.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

from ..script import describe
from .joined_answers import parts_of, same

_PATIENCE = 0.02
"""Seconds for which a request waits for the call that goes on, before it begins another beside."""
_LONGEST = 1.0
_MUCH_LONGER = 10
"""After these seconds, and that many times what a call takes, a request leaves a joined call."""
_MOST_ROWS = 1024
"""Of a joined call: a larger table gains nothing by company, and delays it."""
_PROVEN = 3
"""Joined calls that must have come to what each request's own does, before one is relied on."""
_FADE = 0.2

Predict = Callable[[Any, Any], Any]


class _Call:
    """A request's table. Its `bell` rings when it is to be predicted `alone`, or when the call that
    it is joined in, its `joint`, has ended."""

    def __init__(self, table: Any, params: Any) -> None:
        self.table = table
        self.params = params
        self.bell = threading.Event()
        self.alone = False
        self.joint: _Joint | None = None
        self._columns: list[Any] | None = None

    @property
    def columns(self) -> list[Any]:
        if self._columns is None:
            self._columns = list(self.table.dtypes.items())
        return self._columns

    def fits(self, other: _Call) -> bool:
        """Whether one table of both has each of them as it is."""
        return self.params == other.params and self.columns == other.columns


class _Joint:
    """A joined call and what it came to, for each of its calls; None where it came to nothing."""

    def __init__(self, calls: list[_Call]) -> None:
        self.calls = calls
        self.ended = threading.Event()
        self.parts: list[Any] | None = None
        self.is_relied_on = False
        self._own: dict[int, Any] = {}

    def told(self, call: _Call, result: Any) -> bool:
        """What a call of its own came to. True once all are told."""
        self._own[self.calls.index(call)] = result
        return len(self._own) == len(self.calls)

    @property
    def agrees(self) -> bool:
        return self.parts is not None and all(
            same(part, self._own[place]) for place, part in enumerate(self.parts)
        )


class _Helpers:
    """Threads for what nobody may have to stay with. They are kept: libraries for numbers have
    threads of their own for each that calls them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Callable[[], None]]] = []

    def run(self, work: Callable[[], None]) -> None:
        """It never raises."""
        with self._lock:
            bell = self._idle.pop() if self._idle else None
        if bell is None:
            bell = SimpleQueue()
            threading.Thread(target=self._work, args=(bell,), name="joined", daemon=True).start()
        bell.put(work)

    def _work(self, bell: SimpleQueue[Callable[[], None]]) -> None:
        while True:
            bell.get()()
            with self._lock:
                self._idle.append(bell)


class Joining:
    """`predict` for tables with the same columns, types and parameters, `most` requests in one
    call at most. Safe in several threads at once; raises what `predict` raises of a table alone.

    A model for which one call of several tables fails, or says something else than a call of each,
    is found out by its first ones, whose answers are those of calls of their own; from then on
    nothing is joined."""

    def __init__(self, predict: Predict, most: int) -> None:
        self._predict = predict
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._current: _Call | _Joint | None = None
        self._helpers = _Helpers()
        self._usual = 0.0
        self._proven = 0
        self._joins = most > 1

    def predicted(self, table: Any, params: Any) -> Any:
        if not self._joins or not _is_joinable(table):
            return self._predict(table, params)
        call, begun = _Call(table, params), None
        with self._lock:
            call.alone = self._current is None
            if call.alone:
                self._current = call
            else:
                self._waiting.append(call)
        if not call.alone:
            call.bell.wait(_PATIENCE)
            with self._lock:
                if not call.alone and call.joint is None:
                    # The call that goes on takes long: nobody waits for it any more.
                    begun = self._begin(call)
            if begun is not None:
                self._helpers.run(partial(self._run, begun))
        return self._alone(call) if call.joint is None else self._joined(call, call.joint)

    def _begin(self, call: _Call) -> _Joint | None:
        """With the lock held: it is the one that goes on now, with those that wait and fit; None
        where it is alone."""
        calls, rows, left = [call], len(call.table), deque[_Call]()
        for each in self._waiting:
            if each is call:
                continue
            there = rows + len(each.table)
            if len(calls) < self._most and there <= _MOST_ROWS and call.fits(each):
                calls.append(each)
                rows = there
            else:
                left.append(each)
        self._waiting = left
        if len(calls) == 1:
            self._current = call
            call.alone = True
            return None
        self._current = joint = _Joint(calls)
        joint.is_relied_on = self._proven >= _PROVEN
        for each in calls:
            each.joint = joint
        return joint

    def _alone(self, call: _Call) -> Any:
        started = time.perf_counter()
        try:
            return self._predict(call.table, call.params)
        finally:
            self._ended(call, time.perf_counter() - started)

    def _ended(self, current: _Call | _Joint, seconds: float) -> None:
        """Who waits first is next, unless another took the place of this one."""
        following, begun = None, None
        with self._lock:
            self._usual += (seconds - self._usual) * _FADE
            if self._current is current:
                self._current = None
                if self._waiting:
                    following = self._waiting[0]
                    begun = self._begin(following)
        if begun is not None:
            self._helpers.run(partial(self._run, begun))
        elif following is not None:
            following.bell.set()

    def _run(self, joint: _Joint) -> None:
        """In a thread that no request has."""
        started = time.perf_counter()
        joint.parts = self._parts(joint)
        self._ended(joint, time.perf_counter() - started)
        joint.ended.set()
        for each in joint.calls:
            each.bell.set()

    def _parts(self, joint: _Joint) -> list[Any] | None:
        tables = [each.table for each in joint.calls]
        try:
            import pandas

            together = pandas.concat(tables, ignore_index=True)
            result = self._predict(together, joint.calls[0].params)
            return parts_of(result, [len(each) for each in tables])
        except BaseException as error:  # a model may raise anything; each is tried by itself
            told = f"predict() of {len(tables)} requests at once failed: {describe(error)}"
            sys.stderr.write(f"{told}; trying one by one\n")
            return None

    def _joined(self, call: _Call, joint: _Joint) -> Any:
        if not joint.ended.wait(max(_LONGEST, _MUCH_LONGER * self._usual)):
            return self._predict(call.table, call.params)
        return self._answer(call, joint)

    def _answer(self, call: _Call, joint: _Joint) -> Any:
        if joint.parts is not None and joint.is_relied_on:
            return joint.parts[joint.calls.index(call)]
        result = self._predict(call.table, call.params)
        with self._lock:
            # Where one of them fails by itself, too, nothing is shown by the joined call's end.
            if joint.told(call, result):
                self._judge(joint)
        return result

    def _judge(self, joint: _Joint) -> None:
        """With the lock held: each of its requests has its own answer."""
        if joint.agrees:
            self._proven += 1
        elif self._joins:
            self._joins = False
            sys.stderr.write(
                "[ml-endpoints] This model says something else of several tables at once than of "
                "each alone: requests are not joined any more\n"
            )


def _is_joinable(table: Any) -> bool:
    """One of rows that nobody has named, not too many."""
    index: Any = getattr(table, "index", None)
    if type(index).__name__ != "RangeIndex" or not hasattr(type(table), "dtypes"):
        return False
    return 0 < len(table) < _MOST_ROWS and index.start == 0 and index.step == 1
