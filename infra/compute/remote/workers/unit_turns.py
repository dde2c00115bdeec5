"""Which unit is sent to which node next, of those that this host has.

A node is sent as many units as it has processes, and as many more that it fetches the inputs of,
where nobody else needs them. Of the jobs whose units wait, the one that has
fewest on nodes comes next, and of equals the one that was served longest ago; within a job, its
units come in the order they were asked for. No job has more on nodes than it asked for.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.compute.ground.failure import StartFailure
from infra.compute.remote.workers.pool_record import PoolNode, PoolRecord

SHUNNED: Final = 1.0
"""Seconds for which nothing is sent to a node that took nothing."""


class NodeLease:
    """A process of a node, for one unit. `lost` is set with the reason when the node has gone, or
    the job was taken away; `recalled` when another node would run it at once. `waits`: it is there
    and does not run yet. `wait` is called when that is first known: a node that became idle before
    had nothing to recall."""

    def __init__(
        self,
        node: PoolNode,
        release: Callable[["NodeLease", bool], None],
        wait: Callable[[], None],
    ) -> None:
        self.node = node
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.recalled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waits = False
        self._release = release
        self._wait = wait

    def tell(self, *, waits: bool) -> None:
        """What its node says of it."""
        began, self.waits = waits and not self.waits, waits
        if began:
            self._wait()

    def recall(self) -> None:
        if not self.recalled.done():
            self.recalled.set_result(None)

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
        while failure is not None and (failed := self._waiting_members()):
            failed[0].waiting.popleft().lease.set_exception(failure)
        able = self._able(record)
        while pick := self._picked(able, record.cluster.processes_per_node):
            member, node = pick
            waiter = member.waiting.popleft()
            member.served = next(self._turns)
            waiter.lease.set_result(self._leased(member, node))
        self._recall(able, record.cluster.processes_per_node)

    # -- inside

    def _waiting_members(self) -> list[_Member]:
        for member in self._members.values():
            while member.waiting and member.waiting[0].lease.done():
                member.waiting.popleft()
        return [member for member in self._members.values() if member.waiting]

    def _able(self, record: PoolRecord) -> list[PoolNode]:
        now = time.monotonic()
        self._shunned = {id: until for id, until in self._shunned.items() if until > now}
        return [
            node
            for node in record.nodes
            if node.ready and node.number < record.share and node.id not in self._shunned
        ]

    def _picked(self, able: Sequence[PoolNode], processes: int) -> tuple[_Member, PoolNode] | None:
        """Whose unit comes next, and where: the first of the nodes with fewest units, so that
        what is beyond a share becomes idle."""
        node = min(able, key=lambda n: (self._taken.get(n.id, 0), n.number), default=None)
        waiting = self._waiting_members()
        if node is None or not waiting:
            return None
        ahead = self._sends_ahead(len(able) * processes)
        if self._taken.get(node.id, 0) >= processes * (2 if ahead else 1):
            return None
        if not ahead:
            waiting = [each for each in waiting if len(each.leases) < each.wanted]
        member = min(waiting, key=lambda m: (len(m.leases), m.served), default=None)
        return None if member is None else (member, node)

    def _sends_ahead(self, processes: int) -> bool:
        """Whether a node is sent its next units while others run, and fetches what they read:
        where each job may have all processes that there are, so that none comes to have more."""
        return all(member.wanted >= processes for member in self._members.values())

    def _recall(self, able: Sequence[PoolNode], processes: int) -> None:
        """Nothing waits on one node while another is idle."""
        idle = sum(max(0, processes - self._taken.get(node.id, 0)) for node in able)
        if not idle or self._waiting_members():
            return
        for member in self._members.values():
            for lease in member.leases:
                if idle and lease.waits and self._taken.get(lease.node.id, 0) > processes:
                    lease.waits = False
                    lease.recall()
                    idle -= 1

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

        lease = NodeLease(node, release, self.grant)
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
