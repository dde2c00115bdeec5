"""Units at the door of a node: begun, waited for, collected."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, unquote

from ...batch import units
from ..door.own import Question, Refusal, Reply, as_json
from .attempts import ENDED, Attempt, Attempts, Full

UNITS = "/node/units"
JOBS = "/node/jobs/"
HEARTBEAT = 15.0
"""Seconds in which a line goes out, for proxies that end what is still."""
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
        job, most, unit, collected = _parsed(question.body)
        for each in collected:
            if (ended := self._attempts.get(each)) is not None and ended.state == ENDED:
                self._attempts.forget(each)
        try:
            return self._attempts.begin(id, job, most, unit)
        except Full as full:
            raise Refusal(429, "full", str(full), "Retry-After: 5\r\n") from None

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
            await attempt.changed(min(left, HEARTBEAT))
            attempt.asked = loop.time()
        yield _line({"event": "outcome", "outcome": attempt.outcome})


def _parsed(body: bytes) -> tuple[str, int, dict[str, Any], list[str]]:
    """Raises Refusal."""
    try:
        value = json.loads(body)
        unit = value["unit"]
        if not units.parse(json.dumps(unit).encode()).mini_batches:
            raise units.BadUnit("mini_batches is empty")
        seconds = float(unit["timeout"])
        if not 0 < seconds < math.inf:
            raise units.BadUnit("timeout is not above 0")
        collected = [str(each) for each in value.get("collected") or ()]
        return str(value["job"]), int(value.get("most") or 0), unit, collected
    except units.BadUnit as bad:
        raise Refusal(400, "bad-request", str(bad)) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(400, "bad-request", f"The body is no unit of a job: {error!r}") from None


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
