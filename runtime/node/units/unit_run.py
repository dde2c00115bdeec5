"""One unit on one process: sends it, reads its events, keeps its time limits."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ..door.asking import Lost, Question
from ..processes.worker import Worker
from ..time_limit import within

_BETWEEN = 180.0
"""Seconds for what the process does outside of mini-batches: fetch inputs, write the block."""
_LAST_WORDS = 10.0
_LONGEST_LINE = 16 << 20
_RESULT = ("ordinal", "succeeded", "returned", "tries", "seconds", "error", "log_excerpt", "length")

Outcome = dict[str, Any]


def lost(reason: str, ordinal: int | None = None, results: list[Any] | None = None) -> Outcome:
    """A unit of which nothing but `results` is left; `ordinal` is the mini-batch to blame."""
    return {
        "results": results or [],
        "rows": 0,
        "length": 0,
        "digest": "",
        "columns": [],
        "types": [],
        "lost": reason,
        "lost_ordinal": ordinal,
    }


class _Hopeless(Exception):
    """The process is of no use to this unit any more; the message says why."""


class UnitRun:
    """Runs once. A process that overstays a mini-batch's time is killed with everything it
    started, and replaced; what it had not told is lost, and the outcome says on what. Cancelled,
    it kills the process."""

    def __init__(self, worker: Worker, unit: dict[str, Any]) -> None:
        self._worker = worker
        self._unit = unit
        self._clock = asyncio.get_running_loop().time
        self._died = worker.died()
        self._results: list[dict[str, Any]] = []
        self._current: int | None
        self._deadline: float
        self._overdue: str
        # A process begins at once: it is idle, and says no word before something has ended.
        self._started(int(unit["mini_batches"][0]["ordinal"]))

    @property
    def current(self) -> int | None:
        """The mini-batch under way, if one is."""
        return self._current

    async def outcome(self) -> Outcome:
        question: Question | None = None
        try:
            if self._worker.way is None:
                raise Lost("The process has just ended.", sent=False)
            body = json.dumps(self._unit).encode()
            question = Question(self._worker.way, "POST", "/units", body)
            return await self._run(question)
        except _Hopeless as hopeless:
            self._worker.kill(str(hopeless))
            return self._lost(str(hopeless))
        except asyncio.TimeoutError:  # noqa: UP041 - Python 3.9
            self._worker.kill(self._overdue)
            return self._lost(self._overdue)
        except Lost as broken:
            if not broken.sent:
                self._current = None
            return self._lost(await self._why_it_died(str(broken)))
        except asyncio.CancelledError:
            self._worker.kill("The unit was given up.")
            raise
        finally:
            self._died.cancel()
            if question is not None:
                question.give_up()

    def _lost(self, reason: str) -> Outcome:
        return lost(reason, self._current, self._results)

    async def _why_it_died(self, otherwise: str) -> str:
        await asyncio.wait({self._died}, timeout=_LAST_WORDS)
        if self._died.done():
            return self._died.result()
        self._worker.kill(otherwise)
        return otherwise

    async def _run(self, question: Question) -> Outcome:
        status = await within(question.ask(), self._left())
        if status != 200:
            self._current = None
            text = await within(question.piece(), _LAST_WORDS) or b""
            told = text[:2000].decode("utf-8", "replace")
            raise _Hopeless(f"The process refused the unit ({status}): {told}")
        rest = b""
        while True:
            piece = await _next(question, self._left())
            if piece is None:
                raise Lost("The process broke off.", sent=True)
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise _Hopeless("The process's report has a line of over 16 MiB.")
            for line in lines:
                outcome = self._take(line)
                if outcome is not None:
                    # The connection is free for the next unit once the answer has ended.
                    while await _next(question, _LAST_WORDS) is not None:
                        pass
                    return outcome

    def _left(self) -> float:
        return max(self._deadline - self._clock(), 0.001)

    def _take(self, line: bytes) -> Outcome | None:
        """One event; the outcome when it is the last."""
        try:
            event: dict[str, Any] = json.loads(line)
            kind = event["event"]
            if kind in ("started", "retrying"):
                self._started(int(event["ordinal"]))
            elif kind == "ended":
                self._results.append({name: event.get(name) for name in _RESULT})
                self._between()
            elif kind == "block":
                told = {"content": str(event["content"])} if "content" in event else {}
                return {
                    **lost(""),
                    **told,
                    "results": self._results,
                    "rows": int(event["rows"]),
                    "length": int(event["length"]),
                    "digest": str(event["digest"] or ""),
                    "columns": list(event["columns"] or ()),
                    "types": list(event.get("types") or ()),
                    "lost": None,
                }
            elif kind == "failed":
                return self._lost(str(event["error"]))
            else:
                raise _Hopeless(f"The process reported {kind!r}.")
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise _Hopeless(f"The process's report cannot be read: {error!r}") from error
        return None

    def _started(self, ordinal: int) -> None:
        self._current = ordinal
        seconds = float(self._unit["timeout"])
        self._deadline = self._clock() + seconds
        self._overdue = f"Mini-batch {ordinal} ran into its timeout of {seconds:g} s."

    def _between(self) -> None:
        self._current = None
        self._deadline = self._clock() + _BETWEEN
        self._overdue = f"The process stood still between mini-batches for {_BETWEEN:g} s."


async def _next(question: Question, seconds: float) -> bytes | None:
    """What has come already takes no timer, and no task of its own."""
    if question.has_more:
        return await question.piece()
    return await within(question.piece(), seconds)
