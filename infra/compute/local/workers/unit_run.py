"""One unit on one worker: sends it, reads its events, keeps its time limits."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from pydantic_core import to_json

from domain.ports import BrokenOff, InstanceLost, MiniBatchResult, UnitOutcome, UnitRequest
from infra.compute.http.unix_http import UnixHttp
from infra.compute.local.instances.supervised_instance import Lease

_BETWEEN: Final = 180.0
"""Seconds for what the worker does outside of mini-batches: fetch inputs, write the block."""
_LAST_WORDS: Final = 10.0
_LONGEST_LINE: Final = 16 * 1024 * 1024


class _Lost(Exception):
    """The worker is of no use to this unit any more; the message says why."""


class UnitRun:
    """Runs once. A worker that overstays a mini-batch's time is killed with its whole process
    group, and replaced; what it had not reported is lost, and the outcome says on what."""

    def __init__(self, http: UnixHttp, lease: Lease, request: UnitRequest) -> None:
        self._http = http
        self._lease = lease
        self._request = request
        self._clock = asyncio.get_running_loop().time
        self._results: list[MiniBatchResult] = []
        self._current: int | None
        self._deadline: float
        self._overdue: str
        # A worker begins at once: it is idle, and says no word before something has ended.
        self._started(request.mini_batches[0].ordinal)

    async def outcome(self) -> UnitOutcome:
        try:
            return await self._run()
        except _Lost as lost:
            self._lease.kill(str(lost))
            return self._lost(str(lost))
        except TimeoutError:
            self._lease.kill(self._overdue)
            return self._lost(self._overdue)
        except InstanceLost as lost:
            if not lost.sent:
                self._current = None
            return self._lost(await self._why_it_died(str(lost)))
        except BrokenOff as broken:
            return self._lost(await self._why_it_died(str(broken)))
        except asyncio.CancelledError:
            self._lease.kill("The unit was given up.")
            raise

    def _lost(self, reason: str) -> UnitOutcome:
        """On the mini-batch that was under way, if one was."""
        return UnitOutcome(tuple(self._results), lost=reason, lost_ordinal=self._current)

    async def _why_it_died(self, otherwise: str) -> str:
        died = self._lease.died
        await asyncio.wait({died}, timeout=_LAST_WORDS)
        if died.done():
            return died.result()
        self._lease.kill(otherwise)
        return otherwise

    async def _run(self) -> UnitOutcome:
        response = await self._http.request(
            self._lease.address,
            "POST",
            "/units",
            [("content-type", "application/json")],
            wire(self._request),
            timeout=self._deadline - self._clock(),
        )
        body = response.body
        if response.status != 200:
            self._current = None
            text = await _text(body)
            raise _Lost(f"The worker refused the unit ({response.status}): {text}")
        return await self._read(_once(body) if isinstance(body, bytes) else body)

    async def _read(self, pieces: AsyncIterator[bytes]) -> UnitOutcome:
        rest = b""
        while True:
            async with asyncio.timeout_at(self._deadline):
                piece = await anext(pieces, None)
            if piece is None:
                raise InstanceLost("The worker broke off.", sent=True)
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise _Lost("The worker's report has a line of over 16 MiB.")
            for line in lines:
                outcome = self._take(line)
                if outcome is not None:
                    # The connection is free for the next unit once the answer has ended.
                    async with asyncio.timeout(_LAST_WORDS):
                        while await anext(pieces, None) is not None:
                            pass
                    return outcome

    def _take(self, line: bytes) -> UnitOutcome | None:
        """One event; the outcome when it is the last."""
        try:
            event: dict[str, Any] = json.loads(line)
            match event["event"]:
                case "started":
                    self._started(int(event["ordinal"]))
                case "ended":
                    self._ended(event)
                case "block":
                    return UnitOutcome(
                        tuple(self._results),
                        rows=int(event["rows"]),
                        length=int(event["length"]),
                        digest=str(event["digest"] or ""),
                        columns=tuple(event["columns"] or ()),
                        types=tuple(event.get("types") or ()),
                    )
                case "retrying":
                    self._started(int(event["ordinal"]))
                case "failed":
                    return self._lost(str(event["error"]))
                case other:
                    raise _Lost(f"The worker reported {other!r}.")
        except (ValueError, KeyError, TypeError) as error:
            raise _Lost(f"The worker's report cannot be read: {error!r}") from error
        return None

    def _started(self, ordinal: int) -> None:
        self._current = ordinal
        seconds = self._request.timeout.total_seconds()
        self._deadline = self._clock() + seconds
        self._overdue = f"Mini-batch {ordinal} ran into its timeout of {seconds:g} s."

    def _ended(self, event: dict[str, Any]) -> None:
        self._results.append(
            MiniBatchResult(
                ordinal=int(event["ordinal"]),
                succeeded=bool(event["succeeded"]),
                returned=int(event["returned"]),
                tries=int(event["tries"]),
                seconds=float(event["seconds"]),
                error=event.get("error"),
                log_excerpt=event.get("log_excerpt"),
                length=int(event.get("length") or 0),
            )
        )
        self._between()

    def _between(self) -> None:
        self._current = None
        self._deadline = self._clock() + _BETWEEN
        self._overdue = f"The worker stood still between mini-batches for {_BETWEEN:g} s."


def wire(request: UnitRequest) -> bytes:
    """A unit as a worker is told of it: the request's own fields, times in seconds."""
    return to_json(request, timedelta_mode="float")


async def _text(body: AsyncIterator[bytes] | bytes) -> str:
    if isinstance(body, bytes):
        return body[:2000].decode("utf-8", "replace")
    async with asyncio.timeout(_LAST_WORDS):
        return (await anext(body, b""))[:2000].decode("utf-8", "replace")


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
