"""Pools of workers, brought closer to what their jobs ask."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound, DomainError, StaleETag
from infra.compute.ground.instance_types import available_cores
from infra.compute.identity_lending import holder_of
from infra.compute.remote.fleet import Fleet, Node, NodeGroup, NodeState
from infra.compute.remote.group_working import NOT_READY, Asked, GroupWorking
from infra.compute.remote.keeping.keeps import Followed, Keeps
from infra.compute.remote.keeping.node_meter import NodeUse
from infra.compute.remote.node_watches import FollowedNode, NodeWatches
from infra.compute.remote.serving_record import Leaving, Standing
from infra.compute.remote.workers.known_pools import KnownPools
from infra.compute.remote.workers.pool_record import PoolNode, PoolRecord
from infra.compute.remote.workers.pool_records import PoolRecords
from infra.compute.remote.workers.pool_sharing import Given, Seen, given

_log = logging.getLogger("ml_endpoints.remote")

OUT_OF_QUOTA: Final = "OutOfQuota"
_CONTRACT: Final = 1
_DRAIN: Final = 10.0
"""Seconds for `shutdown()` of scripts on a node that is to go, on which nothing runs."""
_PROMISED: Final = 5.0
"""Seconds in which the fleet shows a node that it was asked for."""
_TRIED_AGAIN: Final = 10.0
"""Seconds after which more nodes than there was room for are asked for again."""


class PoolKeeping(Keeps):
    """`known` is told of each record that was read or written."""

    def __init__(
        self,
        fleet: Fleet,
        records: PoolRecords,
        working: GroupWorking,
        watches: NodeWatches,
        known: KnownPools,
        now: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._records = records
        self._working = working
        self._watches = watches
        self._hosts = known
        self._now = now
        self._known: dict[str, PoolRecord] = {}
        self._since: dict[str, float] = {}
        self._began: set[str] = set()
        """Pools that have had a node that was ready since they last had jobs."""
        self._fits: dict[str, tuple[int, float]] = {}
        self._promised: dict[str, tuple[int, float]] = {}
        self._came: dict[str, int] = {}
        self._pressed = False

    async def read(self) -> None:
        as_of = time.monotonic()
        self._known = {record.name: record for record in await self._records.all()}
        self._hosts.learn_all(self._known.values(), as_of)

    async def followed(self, nodes: Sequence[Node], *, first: bool) -> Followed:
        followed = []
        ready: dict[str, str] = {}
        for record in self._known.values():
            secret = self._working.secret_of(record.group, record.secret)
            mine = [n for n in nodes if n.group == record.group]
            running = [n for n in mine if n.state is NodeState.RUNNING]
            whose = holder_of(record.program)
            answered = first and record.standing.proven
            followed += [FollowedNode(n, secret, whose, answered) for n in running]
            if first:
                ready |= {node.id: "" for node in record.nodes if node.ready}
        return Followed(followed, ready)

    async def step(self, nodes: Sequence[Node]) -> bool:
        records = list(self._known.values())
        by_group: dict[str, list[Node]] = {}
        for node in nodes:
            by_group.setdefault(node.group, []).append(node)
        there = [each for each in records if not each.going]
        shared = self._shared(there, by_group)
        told = await asyncio.gather(
            *(self._looked(r, by_group.get(r.group, []), shared.get(r.name)) for r in records)
        )
        return all(told)

    def used(self, nodes: Sequence[Node]) -> Sequence[NodeUse]:
        """A node is busy for all jobs of its pool while it has something to do."""
        whose = {group: record for record in self._known.values() for group in record.groups}
        used = []
        for node in nodes:
            record = whose.get(node.group) if node.is_up else None
            if record is None:
                continue
            jobs = tuple(member.key for member in record.jobs)
            health = self._watches.health(node.id)
            busy = jobs if health.ready and not health.idle else ()
            amount = float(record.cluster.processes_per_node)
            used.append(NodeUse(node.id, jobs[0] if jobs else "", amount, busy))
        return used

    @property
    def groups(self) -> set[str]:
        return {group for record in self._known.values() for group in record.groups}

    async def stored_groups(self) -> set[str]:
        return {group for record in await self._records.all() for group in record.groups}

    # -- how many

    def _shared(
        self, records: Sequence[PoolRecord], by_group: Mapping[str, Sequence[Node]]
    ) -> dict[str, Given]:
        now = self._now()
        seen = [self._seen(each, by_group.get(each.group, []), now) for each in records]
        self._fits = {
            name: (count, until) for name, (count, until) in self._fits.items() if until > now
        }
        fits = {name: count for name, (count, _) in self._fits.items()}
        shared = given(seen, cores=available_cores(), now=now, fits=fits, pressed=self._pressed)
        self._pressed = False
        return shared

    def _seen(self, record: PoolRecord, nodes: Sequence[Node], now: float) -> Seen:
        coming = (NodeState.COMING, NodeState.RUNNING)
        there = {node.number: node for node in nodes if node.state in coming}
        held = max(max(there, default=-1) + 1, self._promised_of(record, now))
        idle = tuple(self._idle(record, there.get(number)) for number in range(held))
        if not record.jobs:
            self._since.pop(record.name, None)
            self._began.discard(record.name)
        since = self._since.setdefault(record.name, now)
        if record.name not in self._began and any(self._is_ready(n) for n in there.values()):
            self._began.add(record.name)
            since = self._since[record.name] = now
        if there and record.name not in self._began:
            # Starting uses no slice up: a node ended for it each time would never come to work.
            since = now
        leaving = sum(node.state is NodeState.LEAVING for node in nodes)
        return Seen(record, idle, leaving, since)

    def _promised_of(self, record: PoolRecord, now: float) -> int:
        """Nodes that the fleet was asked for, or is being asked for, and has perhaps not shown
        yet: what ends as the nodes are looked at is shown at the next look."""
        name = record.name
        coming, came = self._working.coming(record.group), self._came.pop(name, 0)
        if coming:
            self._came[name] = coming
        count, until = self._promised.get(name, (0, 0.0))
        return max(coming, came, count if until > now else 0)

    def _idle(self, record: PoolRecord, node: Node | None) -> float:
        """For how long nobody has needed the node."""
        health = self._watches.health(node.id) if node is not None else None
        if not record.jobs and (health is None or record.has_failed):
            return math.inf
        return health.idle if health is not None else 0.0

    def _is_ready(self, node: Node) -> bool:
        return node.state is NodeState.RUNNING and self._watches.health(node.id).ready

    # -- one pool

    async def _looked(
        self, record: PoolRecord, nodes: Sequence[Node], shared: Given | None
    ) -> bool:
        """False: another host has changed it meanwhile."""
        try:
            if shared is None:
                await self._end(record)
            else:
                await self._go_on(record, nodes, shared)
        except (StaleETag, DocumentNotFound, DocumentExists):
            return False
        except DomainError as error:
            _log.warning("The workers %s could not be looked after: %s", record.name, error)
        except Exception:  # a fault with one must not hold up the others
            _log.exception("The workers %s cannot be looked after", record.name)
        return True

    async def _go_on(self, before: PoolRecord, nodes: Sequence[Node], shared: Given) -> None:
        record = _tried_anew(before, nodes)
        if record is not before:
            nodes = [replace(node, hopeless=False) for node in nodes]
        if shared.count != sum(node.state is not NodeState.LEAVING for node in nodes):
            self._promised[record.name] = shared.count, self._now() + _PROMISED
        asked = Asked(self._group(record), shared.count, record.standing, patience=0.0)
        standing = await self._working.work(asked, nodes)
        if standing.code == OUT_OF_QUOTA:
            standing = self._less(record, nodes, shared, standing)
        there = tuple(
            PoolNode(node.id, node.number, node.address, self._is_ready(node))
            for node in sorted(nodes, key=lambda node: node.number)
            if node.state is NodeState.RUNNING and node.address is not None
        )
        is_over = not record.members and not shared.count and not nodes
        then = replace(
            record,
            standing=standing,
            share=shared.share,
            nodes=there,
            leaving=await self._left(record.leaving),
            going=is_over,
        )
        if then != before:
            await self._save(before, then)

    def _less(
        self, record: PoolRecord, nodes: Sequence[Node], shared: Given, standing: Standing
    ) -> Standing:
        """There is no room for so many: fewer will do, and what is idle elsewhere gives way."""
        self._pressed = True
        self._promised.pop(record.name, None)
        there = sum(node.state is NodeState.RUNNING for node in nodes)
        others = any(each.nodes for each in self._known.values() if each.name != record.name)
        if not there and not others:
            return standing
        self._fits[record.name] = max(there, 1, shared.count - 1), self._now() + _TRIED_AGAIN
        return replace(standing, code=None, reason=None)

    async def _end(self, record: PoolRecord) -> None:
        """Nobody wants it."""
        leaving = await self._left((Leaving(record.group, 0.0), *record.leaving))
        if not leaving:
            await self._save(record, None)

    async def _left(self, leaving: Sequence[Leaving]) -> tuple[Leaving, ...]:
        """Of these groups those that are still there."""
        return tuple(
            [
                each
                for each in leaving
                if not await self._fleet.delete(each.group, linger=0.0, grace=each.grace)
            ]
        )

    async def _save(self, before: PoolRecord, after: PoolRecord | None) -> None:
        await self._records.save(before, after)
        for group in before.groups - (after.groups if after else set()):
            self._working.forget(group)
        if after is None:
            self._known.pop(before.name, None)
            self._hosts.forget(before.name)
        else:
            self._known[before.name] = after
            self._hosts.learn(after)

    def _group(self, record: PoolRecord) -> NodeGroup:
        program = replace(record.program, size=record.size)
        spec = {
            "contract": _CONTRACT,
            "mode": "work",
            "revision": record.group,
            "script": program.scoring_script,
            "environment_variables": dict(program.environment_variables),
            "cpu": program.size.cpu,
            "work": {
                "processes": record.cluster.processes_per_node,
                "output": record.output is not None,
            },
            "drain_seconds": _DRAIN,
        }
        return NodeGroup(
            name=record.group,
            key=f"workers/{record.cluster.name}",
            program=program,
            spec=spec,
            secret=self._working.secret_of(record.group, record.secret),
            attempt=record.attempt,
            drain=_DRAIN,
        )


def _tried_anew(record: PoolRecord, nodes: Sequence[Node]) -> PoolRecord:
    """Nodes that die again and again, though one has been ready, cost the units that they had, and
    one that ends its nodes is blamed for it: the pool, and with it every job, is not given up."""
    if not record.standing.proven or not any(
        node.hopeless and node.code == NOT_READY and node.attempt == record.attempt
        for node in nodes
    ):
        return record
    attempt = record.attempt + 1
    return replace(record, attempt=attempt, standing=replace(record.standing, attempt=attempt))
