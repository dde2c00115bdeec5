"""The attempts at units that this host waits for. They live with their nodes: another host goes on
with them where this one ends."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import quote

from domain.errors import Unavailable
from domain.ports import InstanceLost, UnitOutcome, UnitRequest
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.held_attempts import HeldAttempts
from infra.compute.http.unix_http import UnixHttp
from infra.compute.remote.remote_scorer import SECRET, proof_of
from infra.compute.remote.workers.collected import Collected
from infra.compute.remote.workers.known_pools import KnownPools
from infra.compute.remote.workers.node_unit import Asked, NodeLost, NodeUnit
from infra.compute.remote.workers.own_files import OwnFiles
from infra.compute.remote.workers.pool_record import PoolNode, PoolRecord
from infra.compute.remote.workers.unit_turns import NodeLease, UnitTurns, Waiter

LEASE_WAIT: Final = 5.0
"""Seconds after which a unit that has found no process is left waiting by its caller."""
_MOST: Final = 4096
_ASKED: Final = 5.0
_BLAMED: Final = 3
"""Nodes that a unit may lose before what runs on the next is blamed for its end."""
_REMEMBERED: Final = 1024


class RemoteAttempts:
    """`authority` tells who has signed for what units are lent; `unseal` opens a pool's secret.
    What scripts write by themselves comes by `files`."""

    def __init__(
        self,
        http: UnixHttp,
        pools: KnownPools,
        turns: Callable[[str], UnitTurns],
        unseal: Callable[[str], str],
        authority: Callable[[], Awaitable[str]],
        files: OwnFiles,
    ) -> None:
        self._http = http
        self._pools = pools
        self._turns = turns
        self._unseal = unseal
        self._authority = authority
        self._files = files
        self._collected = Collected(http)
        self._held = HeldAttempts(_MOST, LEASE_WAIT)
        self._losses: OrderedDict[tuple[str, int], int] = OrderedDict()

    @property
    def are_under_way(self) -> bool:
        return self._held.are_under_way

    async def close(self) -> None:
        """Nobody waits any more; what runs goes on where it does."""
        await self._held.close()
        await self._collected.close()

    async def run(self, key: str, request: UnitRequest, wait: float) -> UnitOutcome | None:
        attempt = self._held.get(request.attempt_id)
        if attempt is None:
            waiter = Waiter(asyncio.get_running_loop().create_future())
            attempt = self._held.begin(
                request, waiter.lease, lambda asked: self._run(key, asked, waiter)
            )
            self._pools.watch()
        else:
            attempt.request = request
        return await self._held.outcome(attempt, wait)

    # -- inside

    async def _run(self, key: str, asked: Callable[[], UnitRequest], waiter: Waiter) -> UnitOutcome:
        pool = await self._pool(key)
        if pool is None:
            return UnitOutcome((), lost=f"No workers were started for {key}.")
        secret, turns = self._unseal(pool.secret), self._turns(pool.name)
        found = await self._found(pool, secret, asked()) if asked().resumed else None
        if found is not None:
            lease = turns.held(key, found)
            waiter.lease.set_result(lease)
            outcome = await self._on(lease, key, secret, asked, begun=True)
            if outcome is not None:
                return outcome
            waiter = Waiter(asyncio.get_running_loop().create_future())
        while True:
            try:
                lease = await turns.lease(key, waiter)
            except StartFailure as failure:
                return UnitOutcome((), lost=f"{failure.code}: {failure.reason}")
            outcome = await self._on(lease, key, secret, asked, begun=False)
            if outcome is not None:
                return outcome
            waiter = Waiter(asyncio.get_running_loop().create_future())

    async def _pool(self, key: str) -> PoolRecord | None:
        pool = self._pools.of(key)
        if pool is None:
            await self._pools.refresh()
            pool = self._pools.of(key)
        return pool

    async def _on(
        self,
        lease: NodeLease,
        key: str,
        secret: str,
        asked: Callable[[], UnitRequest],
        *,
        begun: bool,
    ) -> UnitOutcome | None:
        """What became of it on a node; None: it was not begun there. Raises Unavailable while
        nobody can tell who has signed for what it is lent."""
        took_nothing = False
        pool = self._pools.of(key)
        member = pool.member(key) if pool is not None else None
        most = member.wanted if member is not None else 1
        try:
            authority = await self._authority()
            unit = NodeUnit(
                self._http,
                secret,
                lease,
                lambda: Asked(key, most, asked(), authority),
                self._collected.take(lease.node),
                begun=begun,
            )
            outcome = await unit.outcome()
            took_nothing = outcome is None
            if outcome is None:
                return None
            if outcome.lost is None and pool is not None and pool.output is not None:
                # Before anybody records the unit: the node may be gone then.
                try:
                    await self._files.publish(lease.node, secret, pool.output)
                except Unavailable as error:
                    told = f"What its scripts wrote is not to be had: {error}"
                    return UnitOutcome((), lost=told)
            self._collected.add(lease.node, secret, asked().attempt_id)
            return outcome
        except NodeLost as lost:
            return self._lost(key, asked(), lost)
        finally:
            lease.release(shun=took_nothing and not lease.recalled.done())

    def _lost(self, key: str, request: UnitRequest, lost: NodeLost) -> UnitOutcome:
        """A lost node blames nobody, but for a unit that has lost several: it may be what ends
        them."""
        first = request.mini_batches[0].ordinal
        place = key, first
        losses = self._losses[place] = self._losses.pop(place, 0) + 1
        while len(self._losses) > _REMEMBERED:
            self._losses.popitem(last=False)
        if losses <= _BLAMED:
            return UnitOutcome((), lost=str(lost))
        told = f"{lost} The {losses} nodes that ran it were all lost."
        return UnitOutcome(
            (), lost=told, lost_ordinal=first if lost.ordinal is None else lost.ordinal
        )

    async def _found(self, pool: PoolRecord, secret: str, request: UnitRequest) -> PoolNode | None:
        """Where another host, or this one before it ended, has begun the attempt. Raises
        Unavailable where that cannot be told: then it is to be another attempt."""
        told = await asyncio.gather(
            *(self._knows(node, secret, request.attempt_id) for node in pool.nodes)
        )
        for node, knows in zip(pool.nodes, told, strict=True):
            if knows:
                return node
        silent = [node.id for node, knows in zip(pool.nodes, told, strict=True) if knows is None]
        if silent:
            raise Unavailable(f"{silent[0]} does not say whether it runs {request.attempt_id}.")
        return None

    async def _knows(self, node: PoolNode, secret: str, attempt_id: str) -> bool | None:
        target = f"/node/units/{quote(attempt_id, safe='')}?wait=0"
        try:
            answer = await self._http.request(
                node.address, "GET", target, [(SECRET, secret)], timeout=_ASKED
            )
        except (InstanceLost, TimeoutError):
            return None
        if not isinstance(answer.body, bytes):
            with contextlib.suppress(Exception):
                await answer.body.aclose()
        if dict(answer.headers).get("ml-endpoints-node") != proof_of(secret):
            return None
        return {200: True, 404: False}.get(answer.status)
