"""One attempt at a unit on one node: begun, or joined, at its agent's door (docs/node-agent.md)."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from domain.ports import BrokenOff, InstanceLost, UnitRequest
from infra.compute.http.unix_http import UnixHttp
from infra.compute.remote.remote_scorer import SECRET, proof_of
from infra.compute.remote.workers.unit_turns import NodeLease
from infra.compute.remote.workers.unit_wire import Lent, Told, as_json, lines, once, unit_of

_log = logging.getLogger("ml_endpoints.remote")

_WAIT: Final = 120
"""Seconds for which one request waits."""
_HEAD: Final = 20.0
_SILENT: Final = 45.0
"""Seconds between two lines: the agent says something every 15."""
_PAUSE: Final = 0.3
_GIVEN_UP: Final = 90.0
"""Seconds for which a node that is said to be there may not be reached from here."""
_NOT_BEGUN: Final = frozenset({"starting", "draining", "failed", "full"})
_PROOF: Final = "ml-endpoints-node"
_REASON: Final = "ml-endpoints-node-reason"


@dataclass(frozen=True)
class Asked:
    """`request` is as it was last asked for, with the URLs that are good for longest."""

    key: str
    most: int
    request: UnitRequest
    lent: Lent


class _NotBegun(Exception):
    """Another node is to have it."""


class _Unknown(Exception):
    """The node knows nothing of the attempt."""


class NodeLost(Exception):
    """What ran there is lost; the message says why. `ordinal` is the mini-batch that was last said
    to run."""

    def __init__(self, reason: str, ordinal: int | None) -> None:
        super().__init__(reason)
        self.ordinal = ordinal


class NodeUnit:
    """`collected` are attempts whose outcomes the node need not keep."""

    def __init__(
        self,
        http: UnixHttp,
        secret: str,
        lease: NodeLease,
        asked: Callable[[], Asked],
        collected: Sequence[str],
        *,
        begun: bool,
    ) -> None:
        self._http = http
        self._secret = secret
        self._lease = lease
        self._asked = asked
        self._collected = collected
        self._begun = begun
        self._told: UnitRequest | None = None
        self._ordinal: int | None = None

    async def outcome(self) -> Told | None:
        """What it tells. None: nothing of it was begun there, and another node may have it.
        Raises NodeLost."""
        reached_at = time.monotonic()
        while True:
            asking = asyncio.create_task(self._ask())
            try:
                if await self._is_taken_back(asking):
                    return None
                if not asking.done():
                    raise NodeLost(self._lease.lost.result(), self._ordinal)
                outcome = asking.result()
                if outcome is not None:
                    return outcome
                reached_at = time.monotonic()
            except _NotBegun:
                if not self._begun:
                    return None
            except _Unknown:
                told = f"Its node {self._lease.node.id} was started anew."
                raise NodeLost(told, self._ordinal) from None
            except (InstanceLost, BrokenOff, TimeoutError, ValueError) as error:
                if isinstance(error, InstanceLost) and not error.sent:
                    if not self._begun:
                        return None
                else:
                    self._begun = True  # as far as can be known
                _log.debug("%s: %r", self._lease.node.id, error)
                if time.monotonic() - reached_at > _GIVEN_UP:
                    told = f"Its node {self._lease.node.id} is not reached: {error}"
                    raise NodeLost(told, self._ordinal) from error
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            await asyncio.wait({self._lease.lost}, timeout=_PAUSE)

    async def _is_taken_back(self, asking: "asyncio.Task[Told | None]") -> bool:
        """Whether it was, before it ran: the node then tells of it that it was given up. Else it
        has an answer, or is lost."""
        lease, is_recalled = self._lease, False
        while not (asking.done() or lease.lost.done()):
            either: set[asyncio.Future[Any]] = {asking, lease.lost}
            if not is_recalled:
                either.add(lease.recalled)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not is_recalled and lease.recalled.done():
                is_recalled = True
                if not asking.done() and await self._take_back():
                    return True
        return False

    async def _take_back(self) -> bool:
        """Whether it will not run there."""
        id = quote(self._asked().request.attempt_id, safe="")
        target = f"/node/units/{id}?state=waiting"
        try:
            answer = await self._http.request(
                self._lease.node.address, "DELETE", target, [(SECRET, self._secret)], timeout=_HEAD
            )
        except (InstanceLost, TimeoutError):
            return False
        is_its = dict(answer.headers).get(_PROOF) == proof_of(self._secret)
        return is_its and answer.status == 204

    async def _ask(self) -> Told | None:
        """None: it has not ended yet."""
        asked = self._asked()
        method, body = "GET", b""
        if not self._begun or self._told is not asked.request:
            method, body = "POST", _wire(asked, self._collected)
        answer = await self._http.request(
            self._lease.node.address,
            method,
            f"/node/units/{quote(asked.request.attempt_id, safe='')}?wait={_WAIT}",
            [(SECRET, self._secret), ("content-type", "application/json")],
            body,
            timeout=_HEAD,
        )
        headers = dict(answer.headers)
        pieces = once(answer.body) if isinstance(answer.body, bytes) else answer.body
        try:
            if headers.get(_PROOF) != proof_of(self._secret):
                raise ValueError(f"an answer with status {answer.status} that is not this node's")
            if answer.status != 200:
                raise self._refusal(answer.status, headers.get(_REASON, ""), method)
            self._begun, self._told = True, asked.request
            return await self._read(pieces)
        finally:
            with suppress(Exception):
                await pieces.aclose()  # type: ignore[attr-defined]  # a generator, as all stores give

    def _refusal(self, status: int, reason: str, method: str) -> Exception:
        if reason in _NOT_BEGUN:
            if self._begun and method == "POST":
                self._told = self._asked().request  # it takes no new URLs, but tells the outcome
            return _NotBegun()
        if status == 404:
            return _Unknown()
        return ValueError(f"the node answered {status}: {reason}")

    async def _read(self, pieces: AsyncIterator[bytes]) -> Told | None:
        async for event in lines(pieces, _SILENT):
            if event["event"] == "pending":
                return None
            self._lease.tell(waits=event["event"] == "waiting")
            if event["event"] == "running":
                self._ordinal = event.get("ordinal")
            if event["event"] == "outcome":
                told: Told = event["outcome"]
                return told
        raise ValueError("the answer broke off")


def _wire(asked: Asked, collected: Sequence[str]) -> bytes:
    unit = {**unit_of(asked.request, asked.lent), "authority": asked.lent.authority}
    return as_json(
        {"job": asked.key, "most": asked.most, "unit": unit, "collected": list(collected)}
    )
