"""Units at the door of a node: begun, waited for, collected."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote

from ...batch import units
from ..door.own import Question, Refusal, Reply, as_json
from .attempts import ENDED, Attempt, Attempts, Full

UNITS = "/node/units"
JOBS = "/node/jobs/"
HEARTBEAT = 15.0
"""Seconds in which a line goes out, for proxies that end what is still."""
_TOGETHER = 0.02
"""Seconds for which the end of a unit is kept, for others of its bundle to end."""
_LONGEST_WAIT = 3600.0
_USUAL_WAIT = 30.0


class UnitRoutes:
    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    def answer(self, question: Question) -> Reply:
        """Raises Refusal."""
        method, path = question.method, question.path
        if path == UNITS and method == "GET":
            return as_json(200, {"units": [_shown(each) for each in self._attempts.all]})
        if path == UNITS and method == "POST":
            return Reply(200, lines=self._watched_together(*self._begun_together(question)))
        if path.startswith(f"{UNITS}/"):
            return self._attempt(question, unquote(path[len(UNITS) + 1 :]))
        if path.startswith(JOBS) and method == "DELETE":
            job = unquote(path[len(JOBS) :])
            for attempt in [each for each in self._attempts.all if each.job == job]:
                self._attempts.forget(attempt.id)
            return Reply(204)
        raise Refusal(404, "not-found", f"There is nothing at {method} {path}.")

    def _attempt(self, question: Question, id: str) -> Reply:
        if question.method == "DELETE":
            known = self._attempts.get(id)
            only = parse_qs(question.query).get("state", [""])[-1]
            if only and known is not None and known.state != only:
                told = f"It is {known.state}, not {only[:20]}."
                raise Refusal(409, "another-state", told)
            self._attempts.forget(id)
            return Reply(204)
        wait = _wait(question.query)
        if question.method == "POST":
            attempt = self._begun(question, id)
        elif question.method == "GET":
            if (known := self._attempts.get(id)) is None:
                raise Refusal(404, "not-found", f"This node knows no attempt {id!r}.")
            attempt = known
        else:
            raise Refusal(405, "not-found", "Method not allowed", "Allow: GET, POST, DELETE\r\n")
        return Reply(200, lines=self._watched(attempt, wait))

    def _begun(self, question: Question, id: str) -> Attempt:
        known = self._attempts.get(id)
        if known is not None and known.state == ENDED:
            return known
        value = _parsed(question.body)
        job, most = self._told(value)
        unit = _checked(value.get("unit"))
        try:
            return self._attempts.begin(id, job, most, unit)
        except Full as full:
            raise Refusal(429, "full", str(full), "Retry-After: 5\r\n") from None

    def _begun_together(self, question: Question) -> tuple[dict[str, Attempt | None], float]:
        """Each by its id; None for one that there is no room for."""
        value = _parsed(question.body)
        job, most = self._told(value)
        given = value.get("units")
        if not isinstance(given, dict) or not given:
            raise Refusal(400, "bad-request", 'The body is not {"units": {id: unit}}.')
        units = {str(id): _checked(unit) for id, unit in given.items()}
        begun: dict[str, Attempt | None] = {}
        for id, unit in units.items():
            unit["authority"] = str(value.get("authority") or "")
            try:
                begun[id] = self._attempts.begin(id, job, most, unit)
            except Full:
                begun[id] = None
        return begun, _wait(question.query)

    async def _watched_together(
        self, begun: dict[str, Attempt | None], wait: float
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + min(wait, HEARTBEAT)
        left = {id: attempt for id, attempt in begun.items() if attempt is not None}
        full = [_line({"event": "full", "unit": id}) for id in begun if id not in left]
        yield b"".join((*full, _line({"event": "begun"})))
        told: list[bytes] = []
        while left and loop.time() < ends:
            if told:
                yield b"".join(told)
            await _ended(left.values(), ends - loop.time())
            ended = [id for id, attempt in left.items() if attempt.state == ENDED]
            told = [_told_of(left.pop(id), unit=id) for id in ended]
            for attempt in left.values():
                attempt.asked = loop.time()
        yield b"".join((*told, _line({"event": "over"})))

    def _told(self, value: dict[str, Any]) -> tuple[str, int]:
        """Of which job, and how many of it may run at a time. What was collected is forgotten."""
        try:
            job, most = str(value["job"]), int(value.get("most") or 0)
            collected = [str(each) for each in value.get("collected") or ()]
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal(400, "bad-request", f"The body is no unit of a job: {error!r}") from None
        for each in collected:
            if (ended := self._attempts.get(each)) is not None and ended.state == ENDED:
                self._attempts.forget(each)
        return job, most

    async def _watched(self, attempt: Attempt, wait: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + wait
        while attempt.state != ENDED:
            state = attempt.state
            left = ends - loop.time()
            if left <= 0:
                yield _line({"event": "pending", "state": state})
                return
            at = {} if attempt.ordinal is None else {"ordinal": attempt.ordinal}
            yield _line({"event": state, **at})
            await Attempt.changed((attempt,), min(left, HEARTBEAT))
            attempt.asked = loop.time()
        yield _told_of(attempt)


async def _ended(attempts: Iterable[Attempt], timeout: float) -> None:
    """Until one of them has, with those that end within a moment of it; or so many seconds have
    passed. Who asked is woken once, not for each."""
    waited = [each.ended for each in attempts]
    await asyncio.wait(waited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait(waited, timeout=min(timeout, _TOGETHER))


def _told_of(attempt: Attempt, **more: str) -> bytes:
    about = json.dumps({"event": "outcome", **more})
    return f'{about[:-1]}, "outcome": {attempt.outcome}}}\n'.encode()


def _parsed(body: bytes) -> dict[str, Any]:
    """Raises Refusal."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Refusal(400, "bad-request", f"The body is no unit of a job: {error!r}") from None
    if not isinstance(value, dict):
        raise Refusal(400, "bad-request", "The body is no unit of a job.")
    return value


def _checked(unit: Any) -> dict[str, Any]:
    """Raises Refusal."""
    try:
        if not units.read(unit).mini_batches:
            raise units.BadUnit("mini_batches is empty")
        if not 0 < float(unit["timeout"]) < math.inf:
            raise units.BadUnit("timeout is not above 0")
    except units.BadUnit as bad:
        raise Refusal(400, "bad-request", str(bad)) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(400, "bad-request", f"The body is no unit of a job: {error!r}") from None
    checked: dict[str, Any] = unit
    return checked


def _wait(query: str) -> float:
    told = parse_qs(query).get("wait", [str(_USUAL_WAIT)])[-1]
    try:
        wait = float(told)
    except ValueError:
        wait = -1.0
    if 0 <= wait <= _LONGEST_WAIT:
        return wait
    raise Refusal(400, "bad-request", f"wait is {told!r}, not seconds from 0 to 3600.")


def _shown(attempt: Attempt) -> dict[str, Any]:
    seconds = asyncio.get_running_loop().time() - attempt.began
    shown = {"attempt_id": attempt.id, "job": attempt.job, "state": attempt.state}
    return {**shown, "seconds": round(seconds, 3)}


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"
