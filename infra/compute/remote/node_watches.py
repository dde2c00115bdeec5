"""How nodes do, asked of themselves twice a second: no platform is called for it."""

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from domain.errors import DomainError
from domain.ports import InstanceLost
from infra.compute.http.unix_http import UnixHttp
from infra.compute.identity_lending import IdentityLending
from infra.compute.remote.fleet import Node
from infra.compute.remote.remote_scorer import SECRET, proof_of

_log = logging.getLogger("ml_endpoints.remote")

PERIOD: Final = 0.5
MOST_A_SECOND: Final = 500
"""Of all nodes together; where they are more than half as many, each is asked less often."""
_PATIENCE: Final = 1.0
_AGAIN: Final = 0.1
"""Seconds before one that is not ready, or has not answered, is asked again."""
_TELL_AGAIN: Final = 60.0
MISSES: Final = 2
"""In a row: it takes no requests then, where another does, so that gateways, which use what they
have read for 2 s, ask none that is silent for 5 s. One that refuses connections is gone at once."""
SILENT: Final = 10.0
"""Seconds after which another takes its place, beside those that a request may take: a script
may keep its process from answering anything else for as long."""
NEVER: Final = 60.0
"""The same for one that has not answered yet."""


@dataclass(frozen=True)
class FollowedNode:
    """A node, its secret, and whose identities its scripts may be. `answered`: where it has not
    been watched before, it is taken to have answered the host that did."""

    node: Node
    secret: str
    identity: str | None
    answered: bool = False


@dataclass(frozen=True)
class Health:
    """What a node last said. `life` is another one once its process has been started again, where
    it has but one. `idle`: for how many seconds a node of workers has had nothing to do. `silent`
    is for how many seconds it has said nothing since, and `trouble` what came instead; `answered`
    whether it ever has, to this host or to the one that decided before. `was_ready`: it was when it
    answered last, and somebody listens at its port."""

    ready: bool = False
    life: str = ""
    code: str | None = None
    reason: str | None = None
    died: str | None = None
    idle: float = 0.0
    answered: bool = False
    silent: float = 0.0
    trouble: str = ""
    was_ready: bool = False

    @property
    def may_yet_answer(self) -> bool:
        """It is busy, or its machine is: where no other is ready, it still takes requests."""
        return self.was_ready and self.silent < SILENT

    @property
    def is_beyond_hope(self) -> bool:
        """It has never answered, and will not."""
        return not self.answered and self.silent >= NEVER

    def is_lost(self, request_timeout: float) -> bool:
        return self.answered and self.silent >= SILENT + request_timeout


class NodeWatches:
    """`on_change` is called when what is known of a node has changed."""

    def __init__(
        self,
        http: UnixHttp,
        on_change: Callable[[], None],
        identities: IdentityLending,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._on_change = on_change
        self._identities = identities
        self._now = now
        self._watches: dict[str, _Watch] = {}

    def follow(self, nodes: Sequence[FollowedNode], ready: Mapping[str, str]) -> None:
        """Watch these and no others. Those that are in `ready`, with their lives, are taken to be
        so until they say otherwise."""
        there = {each.node.id for each in nodes}
        for id in [id for id in self._watches if id not in there]:
            self._watches.pop(id).end()
        for each in nodes:
            node = each.node
            if node.id in self._watches:
                self._watches[node.id].go_on(node.address)
            else:
                is_ready = node.id in ready
                answered = is_ready or each.answered
                first = Health(is_ready, ready.get(node.id, ""), answered=answered)
                self._watches[node.id] = _Watch(self, each, first)

    def health(self, id: str) -> Health:
        watch = self._watches.get(id)
        return Health() if watch is None else watch.health(self._now())

    async def close(self) -> None:
        for watch in self._watches.values():
            watch.end()
        tasks = [watch.task for watch in self._watches.values()]
        self._watches.clear()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def period(self) -> float:
        return max(PERIOD, len(self._watches) / MOST_A_SECOND)

    async def ask(self, address: str, secret: str) -> dict[str, Any]:
        """What it says of itself. Raises InstanceLost, TimeoutError, and ValueError for what is
        no answer of an agent's."""
        async with asyncio.timeout(_PATIENCE):
            answer = await self._http.request(
                address, "GET", "/node/state", [(SECRET, secret)], timeout=_PATIENCE
            )
        body = answer.body
        if not isinstance(body, bytes):
            await body.aclose()
            raise ValueError("an endless answer")
        proof = next((v for n, v in answer.headers if n == "ml-endpoints-node"), "")
        if proof != proof_of(secret):
            raise ValueError(f"an answer with status {answer.status} that is not this node's")
        told: dict[str, Any] = json.loads(body)
        if not isinstance(told, dict) or not isinstance(told.get("phase"), str):
            raise ValueError("a state that says no phase")
        return told

    async def give_tokens(self, address: str, followed: FollowedNode) -> None:
        """Those that its scripts may ask for. Raises DomainError while there are none to give, and
        as `ask` does."""
        given = await self._identities.tokens(followed.identity or "")
        body = json.dumps({"tokens": [each.to_json() for each in given]}).encode()
        headers = [(SECRET, followed.secret), ("content-length", str(len(body)))]
        async with asyncio.timeout(_PATIENCE):
            answer = await self._http.request(
                address, "PUT", "/node/tokens", headers, body, timeout=_PATIENCE
            )
        if not isinstance(answer.body, bytes):
            await answer.body.aclose()
        if answer.status >= 400:
            raise ValueError(f"tokens are not taken: status {answer.status}")

    def now(self) -> float:
        return self._now()

    def changed(self) -> None:
        self._on_change()


class _Watch:
    """Of one that has no address, too: it may have been cut off before anybody watched it."""

    def __init__(self, all: NodeWatches, followed: FollowedNode, first: Health) -> None:
        self._all = all
        self._address = followed.node.address
        self._followed = followed
        self._health = first
        self._misses = 0
        self._tells_again_at = all.now()
        self._answered_at = all.now()
        self.task = self._begin()

    def _begin(self) -> asyncio.Task[None]:
        return asyncio.create_task(self._run(), name=f"watch {self._followed.node.id}")

    def go_on(self, address: str | None) -> None:
        """Again, if it has ended: what it knows would stay as it is. At another address, if it has
        one by now."""
        self._address = address or self._address
        if self.task.done():
            self.task = self._begin()

    def end(self) -> None:
        self.task.cancel()

    def health(self, now: float) -> Health:
        silent = now - self._answered_at if self._misses else 0.0
        return replace(self._health, silent=silent)

    async def _run(self) -> None:
        while True:
            before = self._health
            await self._ask()
            if before != self._health:
                self._all.changed()
            soon = self._misses or not self._health.ready
            await asyncio.sleep(_AGAIN if soon else self._all.period)

    async def _ask(self) -> None:
        try:
            if self._address is None:
                raise InstanceLost("it has no address in its network", sent=False)
            told = await self._all.ask(self._address, self._followed.secret)
            health = _read(told)
        except Exception as error:  # whatever it is, it is no answer, and is asked for again
            self._miss(error)
        else:
            self._misses = 0
            self._answered_at = self._all.now()
            self._health = health
            if told.get("wants_tokens") is True and self._followed.identity is not None:
                await self._give_tokens(self._address)

    async def _give_tokens(self, address: str) -> None:
        """What does not come about is tried with the next look."""
        try:
            await self._all.give_tokens(address, self._followed)
        except (DomainError, InstanceLost, TimeoutError, ValueError) as error:
            if self._all.now() >= self._tells_again_at:
                self._tells_again_at = self._all.now() + _TELL_AGAIN
                _log.warning("%s is given no tokens: %s", self._followed.node.id, error)

    def _miss(self, error: Exception) -> None:
        self._misses += 1
        gone = isinstance(error, InstanceLost) and not error.sent
        was_ready = (self._health.ready or self._health.was_ready) and not gone
        ready = self._health.ready and not gone and self._misses < MISSES
        told = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        self._health = replace(self._health, ready=ready, trouble=told, was_ready=was_ready)


def _read(told: Mapping[str, Any]) -> Health:
    """Raises ValueError and TypeError for what cannot be."""
    idle = float(told.get("idle_seconds") or 0.0)
    if not 0.0 <= idle < math.inf:
        raise ValueError(f"a state that says it was idle for {idle} s")
    died = told.get("last_death")
    reason = None
    with suppress(TypeError, KeyError):
        reason = f"{died['time']} {died['reason']}" if died else None
    failed = told["phase"] == "failed"
    restarts = told.get("restarts", 0) if told.get("workers") == 1 else 0
    return Health(
        life=f"{str(told.get('life', ''))[:4]}.{restarts}",
        ready=told["phase"] == "ready",
        code=str(told.get("code") or "ResourceNotReady") if failed else None,
        reason=str(told.get("reason") or "Its agent gave no reason.") if failed else None,
        died=reason,
        idle=idle,
        answered=True,
    )
