"""Which unit is sent to which node next, of those that this host has.

A node is sent as many units as it has processes. Of the jobs whose units wait, the one that has
fewest on nodes comes next, and of equals the one that was served longest ago; within a job, its
units come in the order they were asked for. No job has more on nodes than it asked for.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from infra.compute.ground.failure import StartFailure
from infra.compute.remote.workers.pool_record import PoolNode, PoolRecord

SHUNNED: Final = 1.0
"""Seconds for which nothing is sent to a node that took nothing."""


class NodeLease:
    """A process of a node, for one unit. `lost` is set with the reason when the node has gone, or
    the job was taken away."""

    def __init__(self, node: PoolNode, release: Callable[["NodeLease", bool], None]) -> None:
        self.node = node
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._release = release

    def release(self, *, shun: bool = False) -> None:
        """`shun`: the node took nothing."""
        self._release(self, shun)

    def lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)


@dataclass(eq=False)
class Waiter:
    lease: asyncio.Future[NodeLease]


@dataclass(eq=False)
class _Member:
    wanted: int
    served: int = 0
    leases: set[NodeLease] = field(default_factory=set)
    waiting: deque[Waiter] = field(default_factory=deque)


class UnitTurns:
    """Of one pool, as `update` says it is."""

    def __init__(self) -> None:
        self._record: PoolRecord | None = None
        self._members: dict[str, _Member] = {}
        self._taken: dict[str, int] = {}
        self._shunned: dict[str, float] = {}
        self._turns = itertools.count(1)

    @property
    def is_busy(self) -> bool:
        return any(member.leases or member.waiting for member in self._members.values())

    def update(self, record: PoolRecord | None) -> None:
        """None: the pool is no more."""
        self._record = record
        wanted = {m.key: m.wanted for m in record.jobs} if record is not None else {}
        for key in [key for key in self._members if key not in wanted]:
            self._take_away(key)
        for key, count in wanted.items():
            self._members.setdefault(key, _Member(count)).wanted = count
        nodes = {node.id for node in record.nodes} if record is not None else set()
        for member in self._members.values():
            for lease in member.leases:
                if lease.node.id not in nodes:
                    lease.lose(f"Its node {lease.node.id} was lost.")
        self.grant()

    async def lease(self, key: str, waiter: Waiter) -> NodeLease:
        """A process for a unit of the job. Raises StartFailure when there will be none."""
        member = self._members.get(key)
        if member is None:
            raise StartFailure("ResourceNotFound", f"No workers were started for {key}.")
        member.waiting.append(waiter)
        self.grant()
        try:
            return await waiter.lease
        except asyncio.CancelledError:
            if waiter.lease.done() and not waiter.lease.cancelled():
                waiter.lease.result().release()
            raise
        finally:
            if waiter in member.waiting:
                member.waiting.remove(waiter)

    def held(self, key: str, node: PoolNode) -> NodeLease:
        """For a unit that runs there already, whatever else does."""
        return self._leased(self._members.setdefault(key, _Member(0)), node)

    def grant(self) -> None:
        """Send units that wait to nodes that have room."""
        record = self._record
        if record is None:
            return
        failure = _failure(record)
        while member := self._next_member(failure is not None):
            if failure is not None:
                member.waiting.popleft().lease.set_exception(failure)
                continue
            node = self._with_room(record)
            if node is None:
                return
            waiter = member.waiting.popleft()
            member.served = next(self._turns)
            waiter.lease.set_result(self._leased(member, node))

    # -- inside

    def _next_member(self, every: bool) -> _Member | None:
        ready = []
        for member in self._members.values():
            while member.waiting and member.waiting[0].lease.done():
                member.waiting.popleft()
            if member.waiting and (every or len(member.leases) < member.wanted):
                ready.append(member)
        return min(ready, key=lambda m: (len(m.leases), m.served), default=None)

    def _with_room(self, record: PoolRecord) -> PoolNode | None:
        """The first of those with fewest units: what is beyond a share becomes idle."""
        now, processes = time.monotonic(), record.cluster.processes_per_node
        self._shunned = {id: until for id, until in self._shunned.items() if until > now}
        able = [
            node
            for node in record.nodes
            if node.ready
            and node.number < record.share
            and node.id not in self._shunned
            and self._taken.get(node.id, 0) < processes
        ]
        return min(able, key=lambda n: (self._taken.get(n.id, 0), n.number), default=None)

    def _leased(self, member: _Member, node: PoolNode) -> NodeLease:
        def release(lease: NodeLease, shun: bool) -> None:
            if lease not in member.leases:
                return
            member.leases.discard(lease)
            self._taken[node.id] = self._taken.get(node.id, 1) - 1
            if self._taken[node.id] <= 0:
                self._taken.pop(node.id)
            if shun:
                self._shunned[node.id] = time.monotonic() + SHUNNED
                asyncio.get_running_loop().call_later(SHUNNED, self.grant)
            self.grant()

        lease = NodeLease(node, release)
        member.leases.add(lease)
        self._taken[node.id] = self._taken.get(node.id, 0) + 1
        return lease

    def _take_away(self, key: str) -> None:
        told = f"The workers of {key} were taken away."
        member = self._members.pop(key)
        for waiter in member.waiting:
            if not waiter.lease.done():
                waiter.lease.set_exception(StartFailure("OperationCanceled", told))
        for lease in member.leases:
            lease.lose(told)


def _failure(record: PoolRecord) -> StartFailure | None:
    seen = record.standing
    if not record.has_failed or any(node.ready for node in record.nodes):
        return None
    return StartFailure(seen.code or "ResourceNotReady", seen.reason or "They have failed.")
