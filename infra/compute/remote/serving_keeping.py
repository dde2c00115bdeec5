"""What serves, brought closer to what is wanted, and who of it is ready."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound, DomainError, StaleETag
from domain.ports import Document
from infra.compute.identity_lending import holder_of
from infra.compute.remote.fleet import Fleet, Node, NodeState
from infra.compute.remote.group_working import Asked, GroupWorking
from infra.compute.remote.keeping.keeps import Followed, Keeps
from infra.compute.remote.keeping.node_meter import NodeUse
from infra.compute.remote.node_groups import group_of
from infra.compute.remote.node_watches import FollowedNode, NodeWatches
from infra.compute.remote.ready_nodes import ReadyNodes
from infra.compute.remote.roll_out import Rolled, roll
from infra.compute.remote.serving_record import Revision, ServingRecord
from infra.compute.remote.serving_records import ServingRecords

_log = logging.getLogger("ml_endpoints.remote")

_LINGER: Final = 2.5
"""Seconds for which a node that nobody is told of any more still takes requests: gateways use what
they have read for 2 s."""


class ServingKeeping(Keeps):
    """`learn` is told of each document of ready nodes that this host has written; `wake` is set
    where there is something to do."""

    def __init__(
        self,
        fleet: Fleet,
        records: ServingRecords,
        working: GroupWorking,
        watches: NodeWatches,
        learn: Callable[[Document], None],
        wake: asyncio.Event,
    ) -> None:
        self._fleet = fleet
        self._records = records
        self._working = working
        self._watches = watches
        self._learn = learn
        self._wake = wake
        self._known: dict[str, ServingRecord] = {}
        self._told: dict[str, ReadyNodes | None] = {}

    async def read(self) -> None:
        self._known = {record.key: record for record in await self._records.all()}
        self._told.clear()

    async def followed(self, nodes: Sequence[Node], *, first: bool) -> Followed:
        followed, ready = [], dict[str, str]()
        for record in self._known.values():
            for revision in record.revisions:
                secret = self._secret_of(revision)
                mine = [n for n in nodes if n.group == revision.group]
                whose = holder_of(revision.workload.program)
                running = [n for n in mine if n.state is NodeState.RUNNING]
                answered = first and revision.standing.proven
                followed += [FollowedNode(n, secret, whose, answered) for n in running]
            if first and record.serves is not None and record.serves.standing.ready:
                ready |= await self._told_ready(record.key)
        return Followed(followed, ready)

    async def step(self, nodes: Sequence[Node]) -> bool:
        by_partition: dict[str, list[ServingRecord]] = {}
        for record in self._known.values():
            by_partition.setdefault(record.key.rpartition("/")[0], []).append(record)
        told = await asyncio.gather(*(self._steps(each, nodes) for each in by_partition.values()))
        return all(told)

    def used(self, nodes: Sequence[Node]) -> Sequence[NodeUse]:
        whose = {group: record.key for record in self._known.values() for group in record.groups}
        return [NodeUse(n.id, whose[n.group], 1.0) for n in nodes if n.is_up and n.group in whose]

    @property
    def groups(self) -> set[str]:
        return {group for record in self._known.values() for group in record.groups}

    async def stored_groups(self) -> set[str]:
        return {group for record in await self._records.all() for group in record.groups}

    # -- inside

    def _secret_of(self, revision: Revision) -> str:
        return self._working.secret_of(revision.group, revision.secret)

    async def _told_ready(self, key: str) -> dict[str, str]:
        """Nodes with their lives, as the host before has told."""
        told, _ = await self._records.ready(key)
        instances = [id.partition("/") for id, _ in told[key].nodes] if key in told else []
        return {node: life for node, _, life in instances}

    async def _steps(self, records: Sequence[ServingRecord], nodes: Sequence[Node]) -> bool:
        is_ours = True
        for record in records:
            try:
                await self._step(record, nodes)
            except (StaleETag, DocumentNotFound, DocumentExists):
                is_ours = False
            except DomainError as error:
                _log.warning("%s could not be looked after: %s", record.key, error)
            except Exception:  # a fault with one must not hold up the others
                _log.exception("%s cannot be looked after", record.key)
        return is_ours

    async def _step(self, record: ServingRecord, nodes: Sequence[Node]) -> None:
        leaving = []
        for each in record.leaving:
            linger = min(_LINGER, each.grace)
            if not await self._fleet.delete(each.group, linger=linger, grace=each.grace):
                leaving.append(each)
        then = replace(record, leaving=tuple(leaving))
        for revision in record.revisions:
            mine = [n for n in nodes if n.group == revision.group]
            standing = await self._working.work(self._asked(revision), mine)
            then = then.with_standing(revision.group, standing)
        rolled = roll(then)
        ready = self._ready(rolled, nodes)
        if record.key not in self._told:
            there, _ = await self._records.ready(record.key)
            self._told[record.key] = there.get(record.key)
        is_told = self._told[record.key] == (ready if ready and ready.nodes else None)
        if rolled.record == record and is_told:
            return
        await self._save(record, rolled, ready)

    def _asked(self, revision: Revision) -> Asked:
        workload = revision.workload
        return Asked(
            group_of(revision, self._secret_of(revision)),
            workload.instance_count,
            revision.standing,
            workload.request_timeout.total_seconds(),
            revision.trace,
        )

    async def _save(self, before: ServingRecord, rolled: Rolled, ready: ReadyNodes | None) -> None:
        found, etag = await self._records.get(before.key)
        if found != before:
            raise StaleETag(f"{before.key} has changed")
        for document in await self._records.save(rolled.record, etag, ready):
            self._learn(document)
        self._told[before.key] = ready if ready and ready.nodes else None
        if rolled.record.groups:
            self._known[before.key] = rolled.record
        else:
            self._known.pop(before.key, None)
        for group in before.groups - rolled.record.groups:
            self._working.forget(group)
        if rolled.retired:
            self._wake.set()

    def _ready(self, rolled: Rolled, nodes: Sequence[Node]) -> ReadyNodes | None:
        serves = rolled.record.serves
        if serves is None:
            return None
        there = [
            (node.id, node.address, self._watches.health(node.id))
            for node in nodes
            if node.group == serves.group
            and node.state is NodeState.RUNNING
            and node.number < serves.workload.instance_count
            and node.address is not None
        ]
        # Where all are silent, to ask one of them is better than to turn everybody away.
        takes = [each for each in there if each[2].ready]
        takes = takes or [each for each in there if each[2].may_yet_answer]
        ready = [(f"{id}/{health.life}", address) for id, address, health in takes]
        return ReadyNodes(serves.secret, tuple(sorted(ready)), serves.workload.workers)
