"""The attempts at units that this host waits for. They live with their nodes: another host goes on
with them where this one ends."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from domain.errors import Throttled, Unavailable
from domain.ports import InstanceLost, UnitOutcome, UnitRequest
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.held_attempts import HeldAttempts
from infra.compute.http.unix_http import UnixHttp
from infra.compute.node_lending import NodeLending
from infra.compute.remote.remote_scorer import SECRET, proof_of
from infra.compute.remote.workers.collected import Collected
from infra.compute.remote.workers.known_pools import KnownPools
from infra.compute.remote.workers.node_bundle import NodeBundle
from infra.compute.remote.workers.node_unit import Asked, NodeLost, NodeUnit
from infra.compute.remote.workers.own_files import OwnFiles
from infra.compute.remote.workers.pool_record import PoolNode, PoolRecord
from infra.compute.remote.workers.told_rows import ToldRows
from infra.compute.remote.workers.unit_turns import NodeLease, UnitTurns, Waiter
from infra.compute.remote.workers.unit_wire import Lent, Told, outcome_of

LEASE_WAIT: Final = 5.0
"""Seconds after which a unit that has found no process is left waiting by its caller."""
_MOST: Final = 4096
_ASKED: Final = 5.0
_BLAMED: Final = 3
"""Nodes that a unit may lose before what runs on the next is blamed for its end."""
_REMEMBERED: Final = 1024
_FEWEST: Final = 2
_FEW: Final = 8
"""Files of a unit whose contents go with it: what agents hold is to stay small, and many come in
one answer."""


@dataclass(frozen=True)
class _Ended:
    """A unit of a bundle has; `told` is what its node said."""

    node: PoolNode
    secret: str
    told: Told


@dataclass(frozen=True)
class _Left:
    """A unit of a bundle is on that node, or may be, and has not ended yet."""

    lease: NodeLease
    secret: str


_NO_FILES: Final[Mapping[str, str]] = {}

_Found = _Ended | _Left | UnitOutcome | None
"""Where a bundle leaves a unit. None: nowhere, as if it had not been part of one."""


class RemoteAttempts:
    """Units are lent what `lending` says; `unseal` opens a pool's secret.
    What scripts write by themselves comes by `files`, the rows that nodes tell by `rows`."""

    def __init__(
        self,
        http: UnixHttp,
        pools: KnownPools,
        turns: Callable[[str], UnitTurns],
        unseal: Callable[[str], str],
        lending: NodeLending,
        files: OwnFiles,
        rows: ToldRows,
    ) -> None:
        self._http = http
        self._pools = pools
        self._turns = turns
        self._unseal = unseal
        self._lending = lending
        self._files = files
        self._rows = rows
        self._bundles: set[asyncio.Task[None]] = set()
        self._collected = Collected(http)
        self._held = HeldAttempts(_MOST, LEASE_WAIT)
        self._losses: OrderedDict[tuple[str, int], int] = OrderedDict()

    @property
    def are_under_way(self) -> bool:
        return self._held.are_under_way

    async def close(self) -> None:
        """Nobody waits any more; what runs goes on where it does."""
        await self._held.close()
        for task in self._bundles:
            task.cancel()
        await asyncio.gather(*self._bundles, return_exceptions=True)
        await self._collected.close()

    async def run(self, key: str, request: UnitRequest, wait: float) -> UnitOutcome | None:
        attempt = self._held.get(request.attempt_id)
        if attempt is None:
            waiter = Waiter(asyncio.get_running_loop().create_future())
            attempt = self._held.begin(
                request,
                waiter.lease,
                lambda asked: self._taken_back(key, request, self._run(key, asked, waiter)),
            )
            self._pools.watch()
        else:
            attempt.request = request
        return await self._held.outcome(attempt, wait)

    def begin(self, key: str, requests: Sequence[UnitRequest]) -> None:
        """These will be asked for, one after the other: they go to a node together."""
        fresh = [each for each in requests if self._held.get(each.attempt_id) is None]
        if len(fresh) < _FEWEST:
            return
        waiter = Waiter(asyncio.get_running_loop().create_future())
        places: dict[str, asyncio.Future[_Found]] = {}
        for each in fresh:
            place = places[each.attempt_id] = asyncio.get_running_loop().create_future()
            with contextlib.suppress(Throttled):
                self._held.begin(each, waiter.lease, partial(self._in_bundle, key, place, each))
        task = asyncio.create_task(self._bundle(key, fresh, waiter, places), name="a bundle")
        self._bundles.add(task)
        task.add_done_callback(self._bundles.discard)
        self._pools.watch()

    # -- inside

    async def _in_bundle(
        self,
        key: str,
        place: "asyncio.Future[_Found]",
        request: UnitRequest,
        asked: Callable[[], UnitRequest],
    ) -> UnitOutcome:
        return await self._taken_back(key, request, self._at(key, place, asked))

    async def _taken_back(
        self, key: str, request: UnitRequest, outcome: Coroutine[Any, Any, UnitOutcome]
    ) -> UnitOutcome:
        """The outcome, with nothing lent for it any more. Of one who is cancelled all stays lent:
        the unit runs on where it does."""
        told = await outcome
        pool = self._pools.of(key)
        if pool is not None:
            self._lending.take_back(pool.group, request)
        return told

    async def _at(
        self, key: str, place: "asyncio.Future[_Found]", asked: Callable[[], UnitRequest]
    ) -> UnitOutcome:
        """What becomes of a unit of a bundle, from where that has left it on."""
        found = await place
        if isinstance(found, UnitOutcome):
            return found
        if isinstance(found, _Ended):
            return await self._kept(key, found.node, found.secret, asked(), found.told)
        if isinstance(found, _Left):
            outcome = await self._on(found.lease, key, found.secret, asked, begun=True)
            if outcome is not None:
                return outcome
        return await self._run(key, asked, Waiter(asyncio.get_running_loop().create_future()))

    async def _bundle(
        self,
        key: str,
        requests: Sequence[UnitRequest],
        waiter: Waiter,
        places: "dict[str, asyncio.Future[_Found]]",
    ) -> None:
        """Each to its place."""
        try:
            pool = await self._pool(key)
            if pool is None:
                return
            secret, turns = self._unseal(pool.secret), self._turns(pool.name)
            lent = await self._lent(pool.group, requests)
            lease = await turns.lease(key, waiter)
        except StartFailure as failure:
            told = UnitOutcome((), lost=f"{failure.code}: {failure.reason}")
            _settle(places.values(), lambda: told)
            return
        except Unavailable:
            return  # each comes upon it by itself, and says so
        finally:
            if not waiter.lease.done():
                waiter.lease.cancel()
                _settle(places.values(), lambda: None)
        begun = False

        def ended(id: str, told: Told) -> None:
            if id in places:
                _settle([places[id]], lambda: _Ended(lease.node, secret, told))

        try:
            bundle = NodeBundle(self._http, secret, lease, ended)
            most, collected = self._most(key), self._collected.take(lease.node)
            begun = await bundle.run(key, most, requests, lent, collected)
        finally:
            rest = [each for each in requests if not places[each.attempt_id].done()]
            if lease.lost.done():
                lost = NodeLost(lease.lost.result(), None)
                for each in rest:
                    _settle([places[each.attempt_id]], partial(self._lost, key, each, lost))
            elif begun:
                held = lambda: _Left(turns.held(key, lease.node), secret)  # noqa: E731
                _settle(places.values(), held)
            _settle(places.values(), lambda: None)
            lease.release(shun=bool(rest) and not begun)

    async def _lent(self, group: str, requests: Sequence[UnitRequest]) -> Lent:
        """Raises Unavailable."""
        authority = await self._lending.authority()
        inputs = [
            each
            for request in requests
            if sum(len(batch.inputs) for batch in request.mini_batches) <= _FEW
            for batch in request.mini_batches
            for each in batch.inputs
        ]
        contents = await self._lending.contents(inputs) if authority and inputs else ()
        there = zip(inputs, contents, strict=False)
        few = {each.url: content for each, content in there if content is not None}
        files: dict[str, str] = {}
        for request in requests:
            if any(e.url not in few for batch in request.mini_batches for e in batch.inputs):
                files |= await self._lending.lend(group, request)
        return Lent(authority, few, files)

    def _most(self, key: str) -> int:
        pool = self._pools.of(key)
        member = pool.member(key) if pool is not None else None
        return member.wanted if member is not None else 1

    async def _kept(
        self, key: str, node: PoolNode, secret: str, request: UnitRequest, told: Told
    ) -> UnitOutcome:
        """The outcome, once all that belongs to it is in the store: before anybody records the
        unit, as the node may be gone then."""
        content = told.pop("content", None) if isinstance(told, dict) else None
        outcome = outcome_of(told)
        if isinstance(content, str):
            outcome = await self._rows.keep(request.block_url, content, outcome)
        pool = self._pools.of(key)
        if outcome.lost is None and pool is not None and pool.output is not None:
            try:
                await self._files.publish(node, secret, pool.output)
            except Unavailable as error:
                lost = f"What its scripts wrote is not to be had: {error}"
                return UnitOutcome((), lost=lost)
        self._collected.add(node, secret, request.attempt_id)
        return outcome

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
        files = await self._lending.lend(pool.group, asked())
        while True:
            try:
                lease = await turns.lease(key, waiter)
            except StartFailure as failure:
                return UnitOutcome((), lost=f"{failure.code}: {failure.reason}")
            outcome = await self._on(lease, key, secret, asked, begun=False, files=files)
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
        files: Mapping[str, str] = _NO_FILES,
    ) -> UnitOutcome | None:
        """What became of it on a node; None: it was not begun there. Raises Unavailable while
        nobody can tell who has signed for what it is lent."""
        took_nothing, most = False, self._most(key)
        try:
            # Nothing is read for it here: units go out in the order they were asked for.
            lent = Lent(await self._lending.authority(), {}, files)
            unit = NodeUnit(
                self._http,
                secret,
                lease,
                lambda: Asked(key, most, asked(), lent),
                self._collected.take(lease.node),
                begun=begun,
            )
            told = await unit.outcome()
            took_nothing = told is None
            if told is None:
                return None
            return await self._kept(key, lease.node, secret, asked(), told)
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


def _settle(places: "Iterable[asyncio.Future[_Found]]", found: Callable[[], _Found]) -> None:
    """Those that are open are."""
    for place in places:
        if not place.done():
            place.set_result(found())
