"""The host that decides for all: it brings nodes closer to what is wanted.

Everything it knows can be read again by the next one: what is wanted from documents, what is there
from the fleet, how nodes do from themselves. So a host that dies takes nothing with it.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from domain.errors import DomainError
from infra.compute.ground.traces import continuing
from infra.compute.remote.fleet import Fleet, Node
from infra.compute.remote.group_working import GroupWorking
from infra.compute.remote.keeping.keeper_index import KeeperIndex
from infra.compute.remote.keeping.keeper_lease import KeeperLease
from infra.compute.remote.keeping.keeps import Keeps
from infra.compute.remote.keeping.node_meter import NodeMeter
from infra.compute.remote.keeping.node_stories import NodeStories
from infra.compute.remote.node_watches import NodeWatches

_log = logging.getLogger("ml_endpoints.remote")

_ROUND: Final = 0.5
_LOOK_AGAIN: Final = 30.0
"""Seconds after which all documents are read whatever the index says."""
_ORPHANS: Final = 10.0
_GRACE: Final = 10.0


@dataclass(frozen=True)
class Onlookers:
    """Who is told of nodes as they are seen."""

    stories: NodeStories
    meter: NodeMeter


class Keeper:
    """Of all that is wanted in `keeps`. `wake` is set where there is something to do."""

    def __init__(
        self,
        fleet: Fleet,
        lease: KeeperLease,
        index: KeeperIndex,
        keeps: Sequence[Keeps],
        working: GroupWorking,
        watches: NodeWatches,
        onlookers: Onlookers,
        wake: asyncio.Event,
    ) -> None:
        self._fleet = fleet
        self._lease = lease
        self._index = index
        self._keeps = keeps
        self._working = working
        self._watches = watches
        self._stories, self._meter = onlookers.stories, onlookers.meter
        self._version: str | None = None
        self._read_at = 0.0
        self._orphans_at = 0.0
        self._orphans: set[str] = set()
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
        # Not in the trace of whoever happens to have begun it.
        with continuing(""):
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
                async with asyncio.timeout(_ROUND):
                    await self._wake.wait()

    def _stand_by(self) -> None:
        """Another host decides."""
        self._watches.follow([], {})
        self._meter.stand_by()
        self._version = None
        self._has_looked = False

    async def _round(self) -> None:
        await self._read()
        await self._look()
        told = await asyncio.gather(*(each.step(self._nodes) for each in self._keeps))
        if not all(told):
            self._version = None  # read anew, at once
            self._wake.set()
        await self._end_orphans()

    async def _read(self) -> None:
        """What is wanted, if it may have changed."""
        now = asyncio.get_running_loop().time()
        version = await self._index.version()
        if version != self._version or now - self._read_at >= _LOOK_AGAIN:
            await asyncio.gather(*(each.read() for each in self._keeps))
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
        first = not self._has_looked
        told = [await each.followed(self._nodes, first=first) for each in self._keeps]
        ready = {id: life for each in told for id, life in each.ready.items()}
        self._watches.follow([node for each in told for node in each.nodes], ready)
        if first:
            self._stories.adopt(self._nodes, ready)
        self._stories.gone(self._nodes)
        self._has_looked = True
        self._meter.look([use for each in self._keeps for use in each.used(self._nodes)])

    async def _end_orphans(self) -> None:
        """What nobody wants and no document speaks of: left by a host that died."""
        now = asyncio.get_running_loop().time()
        if now - self._orphans_at < _ORPHANS:
            return
        orphans = set(await self._fleet.groups())
        for each in self._keeps:
            orphans -= each.groups
        if orphans:
            # Another host may have asked for them just now.
            for each in self._keeps:
                orphans -= await each.stored_groups()
        self._orphans_at = now
        for group in orphans - self._orphans:
            _log.warning("Nodes of %s are wanted by nobody, and are ended", group)
        self._orphans = orphans
        for group in orphans:
            await self._fleet.delete(group, linger=0.0, grace=_GRACE)
