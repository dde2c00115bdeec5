"""The host that decides for all: it brings nodes closer to what is wanted, and says who is ready.

Everything it knows can be read again by the next one: what is wanted from documents, what is there
from the fleet, how nodes do from themselves. So a host that dies takes nothing with it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from domain.errors import (
    DocumentExists,
    DocumentNotFound,
    DomainError,
    StaleETag,
)
from domain.ports import Document
from infra.compute.remote.fleet import Fleet, Node, NodeState
from infra.compute.remote.group_working import GroupWorking
from infra.compute.remote.keeper_lease import KeeperLease
from infra.compute.remote.node_watches import NodeWatches
from infra.compute.remote.ready_nodes import ReadyNodes
from infra.compute.remote.roll_out import Rolled, roll
from infra.compute.remote.serving_record import ServingRecord
from infra.compute.remote.serving_records import ServingRecords

_log = logging.getLogger("ml_endpoints.remote")

_ROUND: Final = 0.5
_LOOK_AGAIN: Final = 30.0
"""Seconds after which all documents are read whatever the index says."""
_ORPHANS: Final = 10.0
_LINGER: Final = 2.5
"""Seconds for which a node that nobody is told of any more still takes requests: gateways use what
they have read for 2 s."""
_GRACE: Final = 10.0


class Keeper:
    """`learn` is told of each document of ready nodes that this host has written; `wake` is set
    where there is something to do."""

    def __init__(
        self,
        fleet: Fleet,
        lease: KeeperLease,
        records: ServingRecords,
        working: GroupWorking,
        watches: NodeWatches,
        learn: Callable[[Document], None],
        wake: asyncio.Event,
    ) -> None:
        self._fleet = fleet
        self._lease = lease
        self._records = records
        self._working = working
        self._watches = watches
        self._learn = learn
        self._known: dict[str, ServingRecord] = {}
        self._told: dict[str, ReadyNodes | None] = {}
        self._version: str | None = None
        self._read_at = 0.0
        self._orphans_at = 0.0
        self._has_looked = False
        """Whether, since it last began to decide, it has seen what is there."""
        self._nodes: Sequence[Node] = ()
        self._wake = wake
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Again, if it has ended: nodes must not be left to themselves."""
        if self._closed or (self._task is not None and not self._task.done()):
            return
        if self._task is not None:
            _log.error("The keeper had ended, and begins again")
        self._task = asyncio.create_task(self._run(), name="keeper of remote nodes")

    async def close(self) -> None:
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._working.close()
        await self._watches.close()
        with suppress(DomainError):
            await self._lease.release()

    async def _run(self) -> None:
        while not self._closed:
            self._wake.clear()
            try:
                if await self._lease.is_held():
                    await self._round()
                else:
                    self._stand_by()
            except DomainError as error:
                _log.warning("Nodes could not be looked after: %s", error)
            except asyncio.CancelledError:
                # A time limit that is over as what it bounds ends may cancel what comes after
                # (CPython before 3.13).
                if self._closed:
                    raise
                _log.warning("Looking after nodes was interrupted")
            except Exception:  # one fault must not leave all nodes to themselves
                _log.exception("Nodes cannot be looked after")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _ROUND)

    def _stand_by(self) -> None:
        """Another host decides."""
        self._watches.follow([], {})
        self._version = None
        self._has_looked = False

    async def _round(self) -> None:
        await self._read()
        await self._look()
        by_partition: dict[str, list[ServingRecord]] = {}
        for record in self._known.values():
            by_partition.setdefault(record.key.rpartition("/")[0], []).append(record)
        await asyncio.gather(*(self._steps(each) for each in by_partition.values()))
        await self._end_orphans()

    async def _read(self) -> None:
        """What is wanted, if it may have changed."""
        now = asyncio.get_running_loop().time()
        version = await self._records.version()
        if version != self._version or now - self._read_at >= _LOOK_AGAIN:
            self._known = {record.key: record for record in await self._records.all()}
            self._told.clear()
            self._version, self._read_at = version, now

    async def _look(self) -> None:
        """What is there. While the platform cannot be asked, it is taken to be as it was; raises
        what the fleet does where that is not known."""
        try:
            self._nodes = await self._fleet.nodes()
        except DomainError as error:
            if not self._has_looked:
                raise
            _log.warning("The platform shows no nodes: %s", error)
        followed, ready = [], dict[str, str]()
        for record in self._known.values():
            for revision in record.revisions:
                secret = self._working.secret_of(revision)
                mine = [n for n in self._nodes if n.group == revision.group]
                followed += [(n, secret) for n in mine if n.state is NodeState.RUNNING]
            if record.serves is not None and record.serves.standing.ready:
                ready |= await self._told_ready(record.key)
        self._watches.follow(followed, ready)
        self._has_looked = True

    async def _told_ready(self, key: str) -> dict[str, str]:
        """Nodes with their lives. Only a host that has just begun to decide needs what the one
        before has told."""
        if self._has_looked:
            return {}
        told, _ = await self._records.ready(key)
        instances = [id.partition("/") for id, _ in told[key].nodes] if key in told else []
        return {node: life for node, _, life in instances}

    async def _steps(self, records: Sequence[ServingRecord]) -> None:
        for record in records:
            try:
                await self._step(record)
            except (StaleETag, DocumentNotFound, DocumentExists):
                self._version = None  # another has changed it meanwhile: read anew, at once
                self._wake.set()
            except DomainError as error:
                _log.warning("%s could not be looked after: %s", record.key, error)
            except Exception:  # a fault with one must not hold up the others
                _log.exception("%s cannot be looked after", record.key)

    async def _step(self, record: ServingRecord) -> None:
        leaving = []
        for each in record.leaving:
            linger = min(_LINGER, each.grace)
            if not await self._fleet.delete(each.group, linger=linger, grace=each.grace):
                leaving.append(each)
        then = replace(record, leaving=tuple(leaving))
        for revision in record.revisions:
            mine = [n for n in self._nodes if n.group == revision.group]
            then = then.with_standing(revision.group, await self._working.work(revision, mine))
        rolled = roll(then)
        ready = self._ready(rolled)
        if record.key not in self._told:
            there, _ = await self._records.ready(record.key)
            self._told[record.key] = there.get(record.key)
        is_told = self._told[record.key] == (ready if ready and ready.nodes else None)
        if rolled.record == record and is_told:
            return
        await self._save(record, rolled, ready)

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

    def _ready(self, rolled: Rolled) -> ReadyNodes | None:
        serves = rolled.record.serves
        if serves is None:
            return None
        wanted = serves.workload.instance_count
        nodes = [
            (f"{node.id}/{self._watches.health(node.id).life}", node.address)
            for node in self._nodes
            if node.group == serves.group
            and node.state is NodeState.RUNNING
            and node.number < wanted
            and node.address is not None
            and self._watches.health(node.id).ready
        ]
        return ReadyNodes(serves.secret, tuple(sorted(nodes)), serves.workload.workers)

    async def _end_orphans(self) -> None:
        """What nobody wants and no document speaks of: left by a host that died."""
        now = asyncio.get_running_loop().time()
        if now - self._orphans_at < _ORPHANS:
            return
        orphans = set(await self._fleet.groups())
        orphans -= {group for record in self._known.values() for group in record.groups}
        if orphans:
            # Another host may have asked for them just now.
            for record in await self._records.all():
                orphans -= record.groups
        self._orphans_at = now
        for group in orphans:
            _log.warning("Nodes of %s are wanted by nobody, and are ended", group)
            await self._fleet.delete(group, linger=0.0, grace=_GRACE)
